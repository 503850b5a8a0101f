"""Every CV of the corpus in the templates: what people, screen readers and other programs find in its PDF."""

import pytest

from tests.documents.corpus import Case, all_cases, rotating_cases
from tests.documents.pdfs import HAS_POPPLER, Pdf
from tests.documents.words import ExtractedText, is_arabic, is_latin, letters, printed_lines, words

QUICK = {str(case) for case in rotating_cases()[::3]}
pytestmark = pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=str(case), marks=[] if str(case) in QUICK else [pytest.mark.operations])
        for case in all_cases()
    ],
)
"""All CVs in all templates. Without the marker `operations`: every third CV in one template."""

READERS = [
    "pypdf",
    pytest.param("poppler", marks=pytest.mark.skipif(not HAS_POPPLER, reason="pdftotext is not installed")),
]
REORDERED = ("ar", "fa", "he")
"""Readers restore the lines of these languages from the places of letters, and put some words elsewhere."""
SHAPED = ("hi", "th")
"""WeasyPrint keeps one text for each glyph: clusters of these scripts lose letters. services/renderer/README.md."""
LOST = 0.01
LOST_IN_ARABIC = {"pypdf": 0.04, "poppler": 0.20}
"""The share of words that a reader may lose. Both restore the order of Arabic letters from their places on the page."""
TORN = 0.02
"""The share of neighboring words that a footer or a column may separate."""
KILOBYTE = 1000
LATIN, GARAMOND, OTHER = 60 * KILOBYTE, 95 * KILOBYTE, 400 * KILOBYTE
PER_PAGE = 10 * KILOBYTE
"""Bytes of each page after the second one."""
MOST_INVENTED = 40
"""Different words of section titles, months and levels, and of page footers."""
ENTRIES = {"experience_data": "company", "education_data": "institution", "projects_data": "name"}
"""The field of an entry by which its place is found."""
SIDE_MARGIN = 10
"""Millimeters."""


def is_restored_in_part(case: Case) -> bool:
    """Whether readers restore the words of a CV only in part, because of its script."""
    return case.resume.expect.language in REORDERED + SHAPED or is_arabic(case.resume.body["full_name"])


@pytest.fixture(params=READERS)
def text(request: pytest.FixtureRequest, pdf: Pdf) -> ExtractedText:
    extracted: ExtractedText = getattr(pdf, request.param)
    return extracted


def test_readers_find_all_words_in_order(request: pytest.FixtureRequest, case: Case, text: ExtractedText) -> None:
    if not case.resume.expect.compare_words:
        pytest.skip("the source has markup")
    if is_restored_in_part(case):
        pytest.skip("readers restore its words only in part")
    reader = request.node.callspec.params["text"]
    lines = list(printed_lines(case.resume.body))
    source = [word for line in lines for word in words(line)]
    lost = sum(LOST_IN_ARABIC[reader] if is_arabic(word) else LOST for word in source)
    missing, torn = text.missing(lines), text.torn(lines)
    assert len(missing) <= max(1, lost), missing
    assert len(torn) <= max(1, lost + TORN * len(source)), torn


def test_name_is_first_and_entries_are_in_order(case: Case, text: ExtractedText) -> None:
    if is_restored_in_part(case):
        pytest.skip("readers restore its words only in part")
    name = letters(case.resume.body["full_name"])
    assert text.letters.find(name) in range(10)
    for section, field in (
        ("experience_data", "company"),
        ("education_data", "institution"),
        ("projects_data", "name"),
    ):
        position = 0
        for entry in case.resume.body.get(section, []):
            key = letters(entry.get(field) or "")
            if len(key) > 2 and key in text.letters:
                found = text.letters.find(key, position)
                assert found >= 0, f"{section}: {entry[field]} comes before the entry above it"
                position = found + len(key)


def test_headings_and_texts_are_there(case: Case, pdf: Pdf) -> None:
    if is_restored_in_part(case):
        pytest.skip("readers restore its words only in part")
    assert [each for each in case.resume.expect.shows if not pdf.pypdf.has(each)] == []
    assert [each for each in case.resume.expect.characters if each not in pdf.pypdf.whole] == []


def test_nothing_is_added(case: Case, pdf: Pdf) -> None:
    expect, text = case.resume.expect, pdf.pypdf
    if expect.language in SHAPED:
        pytest.skip("readers restore its words only in part")
    assert [each for each in expect.hides if each in text.one_line or each in text.whole] == []
    assert expect.may_replace or "\N{REPLACEMENT CHARACTER}" not in text.whole
    if expect.compare_words:
        invented = text.invented(printed_lines(case.resume.body))
        assert len(invented) <= MOST_INVENTED, invented


def test_language_and_direction(case: Case, pdf: Pdf) -> None:
    assert pdf.language == case.resume.expect.language
    assert pdf.right_edges_are_even() is (case.resume.expect.direction == "rtl")


def test_links_work(case: Case, pdf: Pdf) -> None:
    links = {link.rstrip("/") for link in pdf.links}
    assert {f"mailto:{case.resume.body['email']}", *case.resume.expect.links} - links == set()
    assert [link for link in links if not link.startswith(("http://", "https://", "mailto:", "tel:"))] == []


def test_glyphs_stay_on_the_page_and_off_the_photo(case: Case, pdf: Pdf) -> None:
    assert [page.glyphs_beyond(SIDE_MARGIN) for page in pdf.pages if page.glyphs_beyond(SIDE_MARGIN)] == []
    assert [page.glyphs_on_pictures() for page in pdf.pages if page.glyphs_on_pictures()] == []
    assert any(page.pictures for page in pdf.pages) is (case.resume.photo is not None)


def test_pdf_is_accessible(case: Case, pdf: Pdf) -> None:
    if case.resume.expect.language in SHAPED:
        pytest.skip("its clusters have no text of their own in the PDF")
    assert pdf.failed_rules() == {}


def test_file_is_small(case: Case, pdf: Pdf) -> None:
    latin = GARAMOND if case.template == "executive_elite" else LATIN
    limit = latin if is_latin("\n".join(printed_lines(case.resume.body))) else OTHER
    assert pdf.size_without_pictures <= limit + PER_PAGE * max(0, len(pdf.pages) - 2)
