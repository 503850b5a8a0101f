"""Render one job to a PDF, or to an image of its first page, in this process and without limits of time or memory."""

import io
import logging
import re

import pypdfium2
import weasyprint
from weasyprint import CSS, HTML
from weasyprint.logger import PROGRESS_LOGGER
from weasyprint.text.fonts import FontConfiguration

from cv_renderer.domain.hyperlinks import is_safe_link
from cv_renderer.domain.jobs import Job
from cv_renderer.domain.languages import find_language
from cv_renderer.engine.directions import set_directions
from cv_renderer.engine.environment import fill_template
from cv_renderer.engine.errors import JobRejected
from cv_renderer.engine.fetcher import RestrictedFetcher
from cv_renderer.engine.fonts import replace_missing_glyphs
from cv_renderer.engine.long_words import break_long_words
from cv_renderer.engine.watermark import watermark_css

MAX_PAGES = 20
MAX_LINES = 120 * MAX_PAGES
"""Elements that start a line: twice as many as fit on the pages. WeasyPrint builds them all before the first page."""
_LINE_START = re.compile(r"<(?:br|li|p|h[1-6])\b")
_TOO_LONG = f"The document is longer than {MAX_PAGES} pages."
_THUMBNAIL_WIDTH = 840
_A4_WIDTH_IN_POINTS = 595.28


def render_pdf(job: Job) -> bytes:
    """Return a tagged PDF (PDF/UA-1). Raises JobRejected."""
    language = find_language(job.language)
    labels = language.labels
    fonts = FontConfiguration()
    fetcher = RestrictedFetcher(job.photo)
    stylesheets = [CSS(string=watermark_css(labels), font_config=fonts, url_fetcher=fetcher)] if job.watermark else []
    html = HTML(string=_insert_css(_fill(job), job.template_css), url_fetcher=fetcher)
    set_directions(html.etree_element, language.direction)
    break_long_words(html.etree_element, job.language)
    document: weasyprint.Document = html.render(font_config=fonts, stylesheets=stylesheets)
    name = str(job.document.get("full_name", ""))
    document.metadata.title = labels.document_title.format(name=name)
    document.metadata.authors = [name]
    document.metadata.lang = job.language
    document.metadata.generator = "CV Builder"
    _remove_unsafe_links(document)
    content: bytes = document.write_pdf(pdf_variant="pdf/ua-1")
    return content


def render_thumbnail(job: Job) -> bytes:
    """Return the first page as a PNG, 840 pixels wide if the page is A4. Raises JobRejected."""
    with pypdfium2.PdfDocument(render_pdf(job)) as pdf:
        image = pdf[0].render(scale=_THUMBNAIL_WIDTH / _A4_WIDTH_IN_POINTS).to_pil()
    output = io.BytesIO()
    image.save(output, "PNG", optimize=True)
    return output.getvalue()


def _fill(job: Job) -> str:
    try:
        html = fill_template(job)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # any exception here is a mistake in the template, such as a division by zero
        raise JobRejected(f"The template cannot be filled: {type(error).__name__}: {error}") from error
    if sum(1 for _ in _LINE_START.finditer(html)) > MAX_LINES:
        raise JobRejected(_TOO_LONG)
    return replace_missing_glyphs(html)


def _insert_css(html: str, css: str) -> str:
    """Insert the template's stylesheet as a `<style>` element, which `</style>` in the stylesheet cannot end."""
    style = "<style>" + css.replace("</", "<\\/") + "</style>"
    head, end, rest = html.partition("</head>")
    return head + style + end + rest if end else style + html


def _remove_unsafe_links(document: weasyprint.Document) -> None:
    for page in document.pages:
        page.links = [link for link in page.links if link[0] == "internal" or is_safe_link(link[1])]


def _enforce_page_limit(record: logging.LogRecord) -> bool:
    """Stop the layout at the first page too many. WeasyPrint has no such limit, but logs each page it starts."""
    is_page = isinstance(record.msg, str) and "Creating layout - Page" in record.msg
    if is_page and isinstance(record.args, tuple) and record.args and int(str(record.args[0])) > MAX_PAGES:
        raise JobRejected(_TOO_LONG)
    return False


PROGRESS_LOGGER.setLevel(logging.INFO)
PROGRESS_LOGGER.addFilter(_enforce_page_limit)
