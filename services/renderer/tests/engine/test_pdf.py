"""The PDF of a document: its text, pages, metadata, links and watermark."""

import asyncio
import io
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from cv_renderer.domain.documents import clean_document
from cv_renderer.domain.jobs import Job, pdf_key
from cv_renderer.engine.worker import Output
from cv_renderer.engine.worker_pool import WorkerPool
from pdfminer.high_level import extract_pages, extract_text
from pdfminer.layout import LTChar, LTTextContainer
from PIL import Image
from pypdf import PdfReader
from pypdf.generic import NameObject

WATERMARK = "CV Builder aperçu"


class Template(Protocol):
    @property
    def html(self) -> str: ...

    @property
    def css(self) -> str: ...


@dataclass(frozen=True)
class OneLineTemplate:
    """A template of one line with a stylesheet."""

    css: str
    html: str = "<p>{{ resume.full_name }}"


_rendered: dict[str, bytes] = {}


async def render_bytes(pool: WorkerPool, template: Template, document: dict[str, Any], **options: Any) -> bytes:
    """Render the document to a PDF, or return the one that an earlier test rendered."""
    language: str = options.pop("language", "fr")
    job = Job(template.html, template.css, document, language, **options)
    key = pdf_key(1, "", job, pool.version)
    if key not in _rendered:
        _rendered[key] = await pool.render(job)
    return _rendered[key]


async def render(pool: WorkerPool, template: Template, document: dict[str, Any], **options: Any) -> Any:
    """Render the document and read the PDF with pypdf, whose objects are untyped."""
    return PdfReader(io.BytesIO(await render_bytes(pool, template, document, **options)))


def normalize_spaces(text: str) -> str:
    return " ".join(text.split())


def text_of(pdf: Any) -> str:
    return normalize_spaces(" ".join(page.extract_text() for page in pdf.pages))


def tag_types(element: Any) -> set[str]:
    """Return the types of the elements in a structure tree: `/H1`, `/P`, ..."""
    below = element.get("/K", [])
    children = [child.get_object() for child in (below if isinstance(below, list) else [below])]
    own = {str(element["/S"])} if "/S" in element else set()
    return own.union(*(tag_types(child) for child in children if isinstance(child, dict)))


def elements(element: Any) -> list[Any]:
    """Return all elements of a structure tree."""
    below = element.get("/K", [])
    children = [child.get_object() for child in (below if isinstance(below, list) else [below])]
    nested = [elements(child) for child in children if isinstance(child, dict)]
    return [element, *(each for group in nested for each in group)]


def is_empty_heading(element: Any) -> bool:
    """Return whether this is a heading without content."""
    return str(element.get("/S")) in ("/H1", "/H2", "/H3") and not element.get("/K")


def own_text(page: Any) -> str:
    """Return the text in the page's own content stream, without that of embedded objects."""
    page[NameObject("/Resources")].get_object().pop("/XObject", None)
    return str(page.extract_text())


async def test_a_short_resume_is_one_page_with_all_its_text(
    pool: WorkerPool, template: Template, sample: dict[str, Any]
) -> None:
    pdf = await render(pool, template, sample)
    assert len(pdf.pages) == 1
    text = text_of(pdf)
    for part in (
        "Camille Laurent", "camille.laurent@example.com", "+33 6 12 34 56 78", "linkedin.com/in/camillelaurent",
        "Profil", "Expérience professionnelle", "mars 2021 – aujourd’hui", "Rhône Mobilités, Lyon",
        "conversion de 41 à 63 %", "Formation", "Mention bien", "Compétences", "Langues", "Certifications", "Bénévolat",
    ):  # fmt: skip
        assert normalize_spaces(part) in text


async def test_a_name_and_an_email_address_are_enough(
    pool: WorkerPool, template: Template, minimal: dict[str, Any]
) -> None:
    pdf = await render(pool, template, minimal)
    assert len(pdf.pages) == 1
    assert text_of(pdf) == "Marie Dubois marie.dubois@example.com"


BLANK_ROWS: dict[str, Any] = {
    "languages_data": [{}, {"language": None, "level": " "}, {"language": "\u200b", "since": 2019}],
    "certifications_data": [{}, {"name": "", "issuer": "\t\n", "date": None}],
    "projects_data": [{"name": "\u00a0"}, {"url": "", "description": "\r\n "}],
    "custom_sections": [{}, {"title": " ", "content": None}],
}


async def test_blank_rows_and_empty_sections_are_not_printed(
    pool: WorkerPool, template: Template, minimal: dict[str, Any]
) -> None:
    pdf = await render(pool, template, clean_document({**minimal, **BLANK_ROWS}))
    assert text_of(pdf) == "Marie Dubois marie.dubois@example.com"
    assert "/H2" not in tag_types(pdf.root_object["/StructTreeRoot"])


async def test_partly_filled_rows_are_printed(pool: WorkerPool, template: Template, minimal: dict[str, Any]) -> None:
    rows: dict[str, Any] = {
        "languages_data": [{"level": "Natif"}, {}, {"language": "Anglais"}],
        "certifications_data": [{"issuer": "PMI"}, {"date": "Nov 2019"}, {"name": "AWS", "date": "2019"}],
        "projects_data": [{"url": "github.com/me/x"}, {"description": "Un site."}, {"url": "http://"}],
        "custom_sections": [{"content": "Sans titre."}, {"title": "Permis B"}],
    }
    document: dict[str, Any] = {name: [*rows[name], *BLANK_ROWS[name]] for name in rows}
    pdf = await render(pool, template, clean_document({**minimal, **document}))
    text = text_of(pdf)
    for part in ("Natif", "Anglais", "PMI", "(Nov 2019)", "AWS (2019)", "github.com/me/x", "Un site.", "http://",
                 "Sans titre.", "Permis B"):  # fmt: skip
        assert part.casefold() in text.casefold(), part
    for leftover in (", PMI", "(Natif)", "()", ", ,"):
        assert leftover not in text
    empty = [element for element in elements(pdf.root_object["/StructTreeRoot"]) if is_empty_heading(element)]
    assert empty == []


async def test_titles_and_dates_are_in_the_document_language(
    pool: WorkerPool, template: Template, sample: dict[str, Any]
) -> None:
    text = text_of(await render(pool, template, sample, language="en"))
    assert "Experience" in text
    assert "Mar 2021 – Present" in text
    assert "Skills" in text


async def test_metadata_has_title_author_and_language(
    pool: WorkerPool, template: Template, sample: dict[str, Any]
) -> None:
    pdf = await render(pool, template, sample)
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Camille Laurent – CV"
    assert pdf.metadata.author == "Camille Laurent"
    catalog = pdf.root_object
    assert catalog["/Lang"] == "fr"
    assert (await render(pool, template, sample, language="en")).root_object["/Lang"] == "en"


def visible_lines(content: bytes) -> list[str]:
    """Return the lines of the first page as they are seen: from left to right, without spaces."""
    (page, *_) = extract_pages(io.BytesIO(content))
    lines: dict[int, list[LTChar]] = {}
    for character in characters(page):
        lines.setdefault(round(character.matrix[5] / 3), []).append(character)
    sorted_lines = [sorted(line, key=lambda character: character.x0) for line in lines.values()]
    return ["".join(character.get_text().strip() for character in line) for line in sorted_lines]


def characters(element: Any) -> list[LTChar]:
    """Return all characters below an element of pdfminer."""
    if isinstance(element, LTChar):
        return [element]
    return [each for child in (element if hasattr(element, "__iter__") else ()) for each in characters(child)]


async def test_a_right_to_left_document_keeps_text_of_the_other_direction_intact(
    pool: WorkerPool, template: Template
) -> None:
    job = {"position": "Lead (Go)", "company": "שלום", "start_date": "2019-01-01", "start_date_precision": "year"}
    job |= {"description": "- אבג Go.\n\nLed five, see **C++** (remote).\n- First (one)"}
    document = {"full_name": "דנה", "email": "d@example.com", "phone": "+972 50 123", "experiences": [job]}
    content = await render_bytes(pool, template, document, language="he")
    assert str(PdfReader(io.BytesIO(content)).root_object["/Lang"]) == "he"
    lines = visible_lines(content)
    text = "\n".join(lines)
    assert "+97250123·d@example.com" in text
    assert "Ledfive,seeC++(remote)." in lines, text
    assert any(line.endswith("Lead(Go)") for line in lines)
    assert any(re.fullmatch("[.]Goגבא[•–]", line) for line in lines), text
    assert any(re.fullmatch("[•–]First\\(one\\)", line) for line in lines), text


async def test_text_from_right_to_left_is_intact_in_another_document(
    pool: WorkerPool, template: Template, minimal: dict[str, Any]
) -> None:
    content = await render_bytes(pool, template, {**minimal, "summary": "אב Go ג.", "title": "גד Go."})
    lines = visible_lines(content)
    assert ".גGoבא" in lines
    assert ".Goדג" in lines


async def test_a_template_can_read_any_field_and_absent_fields_are_empty(
    pool: WorkerPool, minimal: dict[str, Any]
) -> None:
    html = "<p>{{ resume.hobby }}{{ resume.absent.name }}{% for x in resume.absent %}x{% endfor %}"
    document = clean_document({**minimal, "hobby": "Chess", "absent": None})
    assert text_of(await render(pool, OneLineTemplate("", html), document)) == "Chess"


@pytest.mark.parametrize("watermark", [False, True])
async def test_structure_is_tagged_as_pdf_ua_requires(
    pool: WorkerPool, template: Template, sample: dict[str, Any], watermark: bool
) -> None:
    catalog = (await render(pool, template, sample, watermark=watermark)).root_object
    assert catalog["/MarkInfo"]["/Marked"]
    assert catalog["/ViewerPreferences"]["/DisplayDocTitle"]
    assert b"pdfuaid:part" in catalog["/Metadata"].get_object().get_data()
    found = tag_types(catalog["/StructTreeRoot"])
    assert {"/Document", "/H1", "/H2", "/P", "/L", "/LI", "/Link"} <= found, found


async def test_three_pdf_readers_agree_on_the_order_of_the_text(
    pool: WorkerPool, template: Template, three_pages: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "resume.pdf"
    path.write_bytes(await render_bytes(pool, template, three_pages))
    text = text_of(PdfReader(path))
    assert normalize_spaces(extract_text(path)) == text
    if shutil.which("pdftotext"):
        poppler = await asyncio.create_subprocess_exec("pdftotext", path, "-", stdout=asyncio.subprocess.PIPE)
        assert normalize_spaces((await poppler.communicate())[0].decode()) == text


async def test_three_pdf_readers_extract_ligatures_and_other_alphabets(
    pool: WorkerPool, template: Template, minimal: dict[str, Any], tmp_path: Path
) -> None:
    summary = "Efficace, affiné, flûte, fjord, Thé, œuvre, Łódź, Ξένια, Юлия, 25 °C, 1 000 €"
    path = tmp_path / "resume.pdf"
    path.write_bytes(await render_bytes(pool, template, {**minimal, "summary": summary}))
    assert normalize_spaces(summary) in text_of(PdfReader(path))
    assert normalize_spaces(summary) in normalize_spaces(extract_text(path))
    if shutil.which("pdftotext"):
        poppler = await asyncio.create_subprocess_exec("pdftotext", path, "-", stdout=asyncio.subprocess.PIPE)
        assert normalize_spaces(summary) in normalize_spaces((await poppler.communicate())[0].decode())


async def test_a_section_of_200_short_entries_is_rendered(
    pool: WorkerPool, template: Template, minimal: dict[str, Any], sample: dict[str, Any]
) -> None:
    """The limit of lines does not reject it."""
    jobs = [{**sample["experiences"][0], "position": f"Poste{number}.", "description": None} for number in range(200)]
    skills = [{"name": f"Outil{number}.", "level": None, "category": None} for number in range(200)]
    text = text_of(await render(pool, template, {**minimal, "experiences": jobs, "skills": skills}, watermark=True))
    assert all(f"Poste{number}." in text and f"Outil{number}." in text for number in range(200))


async def test_only_bundled_fonts_are_embedded_as_subsets(
    pool: WorkerPool, template: Template, sample: dict[str, Any]
) -> None:
    pdf = await render(pool, template, sample, watermark=True)
    fonts = pdf.pages[0]["/Resources"]["/Font"].values()
    names = {str(font.get_object()["/BaseFont"]) for font in fonts}
    assert all(re.fullmatch(r"/[A-Z]{6}\+(Inter|Manrope|EB-Garamond).*", name) for name in names), names


async def test_hostile_text_is_printed_as_text(pool: WorkerPool, template: Template, minimal: dict[str, Any]) -> None:
    hostile = "{{ 7 * 7 }} <script>alert(1)</script> </style><b>x</b> ]]> \" ' &amp;"
    text = text_of(await render(pool, template, {**minimal, "summary": hostile, "title": hostile}))
    assert text.count(normalize_spaces(hostile)) == 2


async def test_only_safe_links_are_clickable(pool: WorkerPool, template: Template, minimal: dict[str, Any]) -> None:
    document = {**minimal, "website": "https://example.com/me", "github_url": "javascript:alert(1)", "phone": "+33 6"}
    pdf = await render(pool, template, document)
    targets = {str(note.get_object()["/A"]["/URI"]) for note in pdf.pages[0]["/Annots"]}
    assert targets == {"mailto:marie.dubois@example.com", "tel:+336", "https://example.com/me"}


async def test_a_project_url_is_a_link_if_it_is_a_web_address(
    pool: WorkerPool, template: Template, minimal: dict[str, Any]
) -> None:
    targets = {
        "https://example.com/a%20b?c=d#e": "https://example.com/a%20b?c=d#e",
        "github.com/me/x": "https://github.com/me/x",
        "www.exämple.fr": "https://www.ex%C3%A4mple.fr",
    }
    others = ["in progress", "javascript:alert(1)", "http://", "me@example.com"]
    projects = [{"name": "x", "url": url} for url in (*targets, *others)]
    pdf = await render(pool, template, {**minimal, "projects_data": projects})
    found = {str(note.get_object()["/A"]["/URI"]) for note in pdf.pages[0]["/Annots"]}
    assert found == {"mailto:marie.dubois@example.com", *targets.values()}


async def test_a_template_without_link_filters_makes_no_unsafe_link(pool: WorkerPool, minimal: dict[str, Any]) -> None:
    urls = ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "http://", "https://a b", "x.fr/y"]
    html = '{% for url in resume.urls %}<a href="{{ url }}">x</a> {% endfor %}<a href="https://example.com/">y</a>'
    pdf = await render(pool, OneLineTemplate("", html), {**minimal, "urls": urls})
    assert [str(note.get_object()["/A"]["/URI"]) for note in pdf.pages[0]["/Annots"]] == ["https://example.com/"]


async def test_a_photo_is_embedded(pool: WorkerPool, template: Template, minimal: dict[str, Any], photo: bytes) -> None:
    with_photo = await render(pool, template, minimal, photo=photo)
    without = await render(pool, template, minimal)
    assert [len(pdf.pages[0].images) for pdf in (with_photo, without)] == [1, 0]


async def test_long_words_stay_on_the_page(pool: WorkerPool, template: Template, minimal: dict[str, Any]) -> None:
    document = {
        **minimal,
        "full_name": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
        "website": "https://example.com/" + "a" * 170,
        "summary": "x" * 300,
    }
    content = await render_bytes(pool, template, document)
    (page,) = extract_pages(io.BytesIO(content))
    lines = [element for element in page if isinstance(element, LTTextContainer)]
    assert "".join(line.get_text() for line in lines).replace("\n", "").count("x" * 300) == 1
    assert max(line.x1 for line in lines) < page.width - 30


async def test_a_word_of_several_lines_is_extracted_as_one(
    pool: WorkerPool, template: Template, minimal: dict[str, Any]
) -> None:
    word = "".join(f"Wort{number}" for number in range(350))
    content = await render_bytes(pool, template, {**minimal, "summary": word})
    (page,) = PdfReader(io.BytesIO(content)).pages
    for text in (page.extract_text(), extract_text(io.BytesIO(content))):
        assert word in "".join(text.split())


async def test_no_page_ends_with_a_heading(pool: WorkerPool, template: Template, sample: dict[str, Any]) -> None:
    jobs = sample["experiences"] * 2
    headings = {"Expérience professionnelle", "Projets", "Formation", "Compétences", "Langues", "Certifications"}
    headings |= {job["position"] for job in jobs} | {"Bénévolat"}
    summaries = ["\n".join(["Une ligne de plus."] * lines) for lines in range(0, 40, 5)]
    documents = [{**sample, "summary": summary, "experiences": jobs} for summary in summaries]
    pdfs = await asyncio.gather(*(render(pool, template, document) for document in documents))
    for page in [page for pdf in pdfs for page in pdf.pages[:-1]]:
        last = [line for line in page.extract_text().splitlines() if not re.search(r"\d+ / \d+$", line)][-1]
        assert not any(last.strip().casefold().startswith(heading.casefold()) for heading in headings), last


async def test_short_entries_stay_on_one_page_and_long_ones_are_split(
    pool: WorkerPool, template: Template, three_pages: dict[str, Any]
) -> None:
    pages = [page.extract_text() for page in (await render(pool, template, three_pages)).pages]
    for job in three_pages["experiences"]:
        (page,) = [page for page in pages if f"{job['position']}\n" in page or f"{job['position']} " in page]
        entry = page.partition(job["position"])[2]
        assert "deux par semaine" in entry
    long = {**three_pages["experiences"][0], "description": "\n".join(f"- Mission {number}" for number in range(80))}
    pages = [
        page.extract_text() for page in (await render(pool, template, {**three_pages, "experiences": [long]})).pages
    ]
    assert "Mission 0" in pages[0]
    assert "Mission 79" in pages[1]


async def test_later_pages_show_the_name_and_the_page_number(
    pool: WorkerPool, template: Template, three_pages: dict[str, Any]
) -> None:
    pages = (await render(pool, template, three_pages)).pages
    footers = [re.findall(r"Camille Laurent\s+\d / \d", page.extract_text()) for page in pages]
    assert [len(found) for found in footers] == [0] + [1] * (len(pages) - 1)


@pytest.mark.parametrize("length", ["one page", "several pages"])
async def test_the_content_of_every_page_has_the_watermark(
    pool: WorkerPool, template: Template, sample: dict[str, Any], three_pages: dict[str, Any], length: str
) -> None:
    document = sample if length == "one page" else three_pages
    marked = await render(pool, template, document, watermark=True)
    clean = await render(pool, template, document)
    assert len(marked.pages) == len(clean.pages)
    assert (len(clean.pages) == 1) == (length == "one page")
    assert all(own_text(page).count(WATERMARK) == 1 for page in marked.pages)
    assert not any(WATERMARK in page.extract_text() for page in clean.pages)


@pytest.mark.parametrize(
    "css",
    [
        "@page { @top-left-corner { display: none !important; content: none !important } }",
        "@page :first { @top-left-corner { visibility: hidden !important; color: transparent !important } }",
        "@page { @top-left-corner { font-size: 0 !important; opacity: 0 !important; transform: scale(0) !important } }",
        "@page { opacity: 0.5 !important; overflow: hidden !important; visibility: hidden !important }",
        "@page { margin: 0 !important; color: transparent !important; text-indent: -9999px !important }",
        "html, body { opacity: 0.01; visibility: hidden; position: relative; z-index: 999999; background: white }",
        "* { display: none !important }",
    ],
)
async def test_a_template_cannot_hide_the_watermark(pool: WorkerPool, minimal: dict[str, Any], css: str) -> None:
    pdf = await render(pool, OneLineTemplate(css), minimal, watermark=True)
    assert own_text(pdf.pages[0]).count(WATERMARK) == 1
    assert b"/a0.12 gs" in pdf.pages[0].get_contents().get_data()


async def test_a_thumbnail_is_an_image_of_the_first_page(
    pool: WorkerPool, template: Template, sample: dict[str, Any]
) -> None:
    content = await pool.render(Job(template.html, template.css, sample, "fr"), Output.THUMBNAIL)
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "PNG"
        assert image.size == (840, 1188)
        assert len(image.convert("RGB").getcolors(1_000_000) or []) > 20
