"""One job turned into a PDF, or into a picture of its first page, in this process and without limits."""

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pypdfium2
from weasyprint import CSS, HTML, Document
from weasyprint.logger import PROGRESS_LOGGER
from weasyprint.text.fonts import FontConfiguration

from cv_renderer.domain.hyperlinks import is_safe_link
from cv_renderer.domain.jobs import Job
from cv_renderer.domain.labels import labels_for
from cv_renderer.engine.environment import fill
from cv_renderer.engine.errors import Refused
from cv_renderer.engine.fetcher import ClosedFetcher
from cv_renderer.engine.long_words import make_long_words_breakable
from cv_renderer.engine.typefaces import legible
from cv_renderer.engine.watermark import watermark_css

MAX_PAGES = 20
MAX_LINES = 120 * MAX_PAGES
"""Elements that begin a line: twice what fits on the pages of the catalog. WeasyPrint builds all of them for page 1."""
_LINE = re.compile(r"<(?:br|li|p|h[1-6])\b")
_TOO_LONG = f"The document is longer than {MAX_PAGES} pages."
_THUMBNAIL_WIDTH = 840
_POINTS_OF_A4_WIDTH = 595.28


def render_pdf(job: Job) -> bytes:
    """The job as a tagged PDF (PDF/UA-1). Raises Refused."""
    labels = labels_for(job.language)
    fonts = FontConfiguration()
    fetcher = ClosedFetcher(job.photo)
    stylesheets = [CSS(string=watermark_css(labels), font_config=fonts, url_fetcher=fetcher)] if job.watermark else []
    html = HTML(string=_with_css(_filled(job), job.template_css), url_fetcher=fetcher)
    make_long_words_breakable(html.etree_element, job.language)
    with _at_most(MAX_PAGES):
        document: Document = html.render(font_config=fonts, stylesheets=stylesheets)
    name = str(job.document["full_name"])
    document.metadata.title = labels.document_title.format(name=name)
    document.metadata.authors = [name]
    document.metadata.lang = job.language
    document.metadata.generator = "CV Builder"
    _drop_unsafe_links(document)
    content: bytes = document.write_pdf(pdf_variant="pdf/ua-1")
    return content


def render_thumbnail(job: Job) -> bytes:
    """The first page as a PNG, 840 pixels wide when the page is A4. Raises Refused."""
    with pypdfium2.PdfDocument(render_pdf(job)) as pdf:
        picture = pdf[0].render(scale=_THUMBNAIL_WIDTH / _POINTS_OF_A4_WIDTH).to_pil()
    output = io.BytesIO()
    picture.save(output, "PNG", optimize=True)
    return output.getvalue()


def _filled(job: Job) -> str:
    try:
        html = fill(job)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # its arithmetic, what it gives to filters: all of it is the template's own
        raise Refused(f"The template cannot be filled: {type(error).__name__}: {error}") from error
    if sum(1 for _ in _LINE.finditer(html)) > MAX_LINES:
        raise Refused(_TOO_LONG)
    return legible(html)


def _with_css(html: str, css: str) -> str:
    """The template's stylesheet as an author's, which is what it is in a browser too; it cannot end its element."""
    style = "<style>" + css.replace("</", "<\\/") + "</style>"
    head, end, rest = html.partition("</head>")
    return head + style + end + rest if end else style + html


def _drop_unsafe_links(document: Document) -> None:
    for page in document.pages:
        page.links = [link for link in page.links if link[0] == "internal" or is_safe_link(link[1])]


@contextmanager
def _at_most(pages: int) -> Iterator[None]:
    """Stop the layout at the first page too many, instead of after the last."""
    counter = _PageCounter(pages)
    PROGRESS_LOGGER.addHandler(counter)
    PROGRESS_LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        PROGRESS_LOGGER.removeHandler(counter)


class _PageCounter(logging.Handler):
    """Reads WeasyPrint's own account of its progress: the page it begins is the line's one argument."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def emit(self, record: logging.LogRecord) -> None:
        is_page = isinstance(record.msg, str) and "Creating layout - Page" in record.msg
        if is_page and isinstance(record.args, tuple) and record.args and int(str(record.args[0])) > self._limit:
            raise Refused(_TOO_LONG)
