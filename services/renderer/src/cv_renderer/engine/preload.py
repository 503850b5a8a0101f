"""Imported by the forkserver before the first job: loads everything that a child process needs, and runs it once."""

import gc
import io
import os
from pathlib import Path

from cv_renderer.engine import fonts
from cv_renderer.engine.worker import FOLDER_VARIABLE

_KEPT_VARIABLES = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR")
_FREQUENT_LANGUAGES = ("en", "fr")
"""Their dates are loaded here. Those of another language cost a child process about 4 ms."""

_HTML = """
<html><head></head><body>
<header><div><h1>{{ resume.full_name }}</h1></div><div><img src="{{ resume.photo }}" alt=""></div></header>
{% for number in range(12) %}
<section><h2>Title</h2><article><h3>Position <b>Jan {{ number }}</b></h3><p><i>Company</i>, Town</p>
{{ "A paragraph that is long enough for a second line, so that lines are broken here too.\n- an item" | prose }}
<p><a href="https://example.com">example.com</a></p></article></section>
{% endfor %}
</body></html>
"""
_CSS = """
@page { size: A4; @bottom-right { content: string(name) counter(page) counter(pages) } }
@page :first { margin-top: 0 }
body { font: 10pt Inter; overflow-wrap: anywhere }
header { display: table; background: linear-gradient(to right, #000, #fff) }
header div { display: table-cell }
h1 { string-set: name content(text); font-variant-caps: small-caps }
h2, h3 { break-after: avoid }
b { font: 700 9pt Manrope }
i { font: 9pt "EB Garamond" }
li::before { content: "•" }
a { padding: 1mm; border-radius: 1mm; background: #eee; white-space: nowrap }
"""


def _clear_environment() -> None:
    """Remove all secrets, which the child processes would inherit, and set the configuration of the fonts."""
    folder = os.environ[FOLDER_VARIABLE]
    for name in set(os.environ).difference(_KEPT_VARIABLES):
        del os.environ[name]
    os.environ["XDG_CACHE_HOME"] = folder
    os.environ["FONTCONFIG_FILE"] = str(fonts.write_configuration(Path(folder)))


def _warm_up() -> None:
    """Render one document: this imports what is imported late, and lets the interpreter specialize the hot code."""
    from PIL import Image

    from cv_renderer.domain.dates import format_month
    from cv_renderer.domain.jobs import Job
    from cv_renderer.domain.languages import find_language
    from cv_renderer.engine import worker
    from cv_renderer.engine.pdf import render_pdf

    photo = io.BytesIO()
    Image.new("RGB", (1, 1)).save(photo, "JPEG")
    render_pdf(Job(_HTML, _CSS, {"full_name": "Jane Doe"}, "en", photo=photo.getvalue(), watermark=True))
    for tag in _FREQUENT_LANGUAGES:
        format_month("2020-01", find_language(tag))
    worker.warmed_up_pid = os.getpid()
    gc.collect()
    gc.freeze()


_clear_environment()
_warm_up()
