"""Imported once, by the forkserver, before the first job: everything a child needs is loaded and has run once."""

import gc
import io
import os
from pathlib import Path

from cv_renderer.engine import typefaces
from cv_renderer.engine.worker import FOLDER

_KEPT = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR")

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


def _close_environment() -> None:
    """Templates run in children of this process: they inherit no secret, and only our fonts' configuration."""
    folder = os.environ[FOLDER]
    for name in set(os.environ).difference(_KEPT):
        del os.environ[name]
    os.environ["XDG_CACHE_HOME"] = folder
    os.environ["FONTCONFIG_FILE"] = str(typefaces.write_configuration(Path(folder)))


def _warm() -> None:
    """One throw-away render loads what is loaded late, and lets the interpreter see the code that matters run."""
    from cv_renderer.domain.jobs import Job
    from cv_renderer.engine import worker
    from cv_renderer.engine.document import render_pdf

    render_pdf(Job(_HTML, _CSS, {"full_name": "Jane Doe"}, "en", photo=_dot(), watermark=True))
    worker.warmed_in = os.getpid()
    gc.collect()
    gc.freeze()


def _dot() -> bytes:
    """A picture of one pixel."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "JPEG")
    return file.getvalue()


_close_environment()
_warm()
