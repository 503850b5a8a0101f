"""Rules of imports: any source becomes a resume or is refused, without another exception."""

import csv
import io
import re
from typing import Any

import orjson
import pytest
from cv_common.drf.body import validate
from cv_common.kernel.serialization import dump_json
from cv_resumes.domain.archives import InvalidArchive, Limits
from cv_resumes.domain.content import MAX_CONTENT_BYTES, MAX_ENTRIES, SECTIONS
from cv_resumes.domain.drafts import EDUCATION, TITLES, Draft
from cv_resumes.domain.json_resume import read_json_resume
from cv_resumes.domain.linkedin import read_export
from cv_resumes.domain.partial_dates import is_ongoing, parse_date
from cv_resumes.domain.pdfs import LANGUAGES
from cv_resumes.domain.profile_urls import profile_url
from cv_resumes.domain.records import clean
from cv_resumes.schemas.requests import ImportedResumeBody
from hypothesis import given, settings
from hypothesis import strategies as st

from services.resumes.tests.imports.export import zipped

FEW_EXAMPLES = settings(max_examples=40)
"""Of documents and files, which have many values each."""
LIMITS = Limits(files=50, unpacked=10 * 2**20, read=2**20, ratio=100)

# Texts with what breaks things: NUL, lone surrogates, letters that grow when they are composed, marks that come in
# heaps, other directions.
characters = st.characters() | st.sampled_from("\x00\ud800\udfff\u0958\ufb1d\u0301\u0327\u202e\u200b\r\n\"',;[]:")
texts = st.text(characters, max_size=30) | st.builds(
    lambda text, times: text * times, st.text(characters, min_size=1, max_size=3), st.integers(90, 4000)
)
dates = st.sampled_from(
    ["2020", "2020-02", "2020-02-30", "Mar 2024", "2019-12-31T00:00:00Z", "Present", "0000", "٢٠٢٠", "12/2021"]
)
links = st.sampled_from(["https://example.com", "javascript:alert(1)", "https://github.com/x", "file:///etc", "//x"])
scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | texts | dates | links
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


def objects(*names: str) -> st.SearchStrategy[Any]:
    """Objects with some of these keys, and whatever under them."""
    return st.dictionaries(st.sampled_from(names) | texts, anything, max_size=len(names)) | anything


work = objects("name", "position", "location", "startDate", "endDate", "summary", "description", "highlights", "url")
sections: dict[str, st.SearchStrategy[Any]] = {
    "basics": objects("name", "label", "email", "phone", "url", "summary", "location", "profiles", "image"),
    "work": st.lists(work, max_size=4),
    "volunteer": st.lists(objects("organization", "position", "startDate", "endDate", "summary"), max_size=3),
    "education": st.lists(objects("institution", "area", "studyType", "startDate", "endDate", "score", "courses")),
    "awards": st.lists(objects("title", "date", "awarder", "summary"), max_size=3),
    "certificates": st.lists(objects("name", "date", "issuer", "url"), max_size=3),
    "publications": st.lists(objects("name", "publisher", "releaseDate", "url", "summary"), max_size=3),
    "skills": st.lists(objects("name", "level", "keywords"), max_size=4),
    "languages": st.lists(objects("language", "fluency"), max_size=3),
    "interests": st.lists(objects("name", "keywords"), max_size=3),
    "projects": st.lists(objects("name", "description", "highlights", "url", "startDate", "endDate"), max_size=3),
}
documents = st.fixed_dictionaries({}, optional={name: made | anything for name, made in sections.items()})


def assert_sound(draft: Draft, language: str = "fr") -> dict[str, Any]:
    """What comes of a draft is what a request may say, within all limits, and can be answered."""
    fields, report = draft.finish(language, None)
    sent = {**fields, "full_name": fields["full_name"] or "Jane", "template": 1}  # without a name it is refused
    columns = validate(sent, ImportedResumeBody).model_dump()
    assert all(len(columns[section]) <= MAX_ENTRIES for section in SECTIONS)
    stored = {section: [{**entry, "id": 2**40, "order": 199} for entry in columns[section]] for section in SECTIONS}
    assert len(dump_json({**stored, "summary": columns.get("summary")})) <= MAX_CONTENT_BYTES
    orjson.dumps(report)
    assert all(note["file"] and note["reason"] for note in report)
    return fields


@FEW_EXAMPLES
@given(documents, st.sampled_from(LANGUAGES))
def test_any_profile_becomes_a_resume(document: dict[str, Any], language: str) -> None:
    assert_sound(read_json_resume(document), language)


@given(st.dictionaries(texts, anything, max_size=5))
def test_any_object_becomes_a_resume(document: dict[str, Any]) -> None:
    assert_sound(read_json_resume(document))


def test_source_with_full_sections_becomes_a_resume() -> None:
    """With characters that take six bytes, or become two when they are composed."""
    long = "\x01" * 10_000
    job = {"name": "é" * 200, "position": "x", "startDate": "2020", "summary": long}
    document = {
        "basics": {"name": "x" * 300, "summary": long},
        "work": [job] * 300,
        "skills": [{"name": "\u0958" * 100}] * 300,
        "interests": [{"name": long}] * 3,
    }
    assert_sound(read_json_resume(document))


@pytest.mark.parametrize("length", [1000, 1150, 1200])
def test_small_entries_leave_room_for_their_default_values(length: int) -> None:
    """A source may know nothing of half of an entry's fields; two hundred times their names are much."""
    draft = Draft()
    while length:
        studies = {"institution": "x", "degree": "y", "start_date": "2020-01-01", "description": "z" * length}
        if draft.add_entry(EDUCATION, studies) is not None:
            length -= 1
    assert_sound(draft)


HEADERS = {
    "Profile": "First Name,Last Name,Address,Headline,Summary,Zip Code,Geo Location,Websites",
    "Email Addresses": "Email Address,Confirmed,Primary,Updated On",
    "PhoneNumbers": "Extension,Number,Type",
    "Positions": "Company Name,Title,Description,Location,Started On,Finished On",
    "Education": "School Name,Start Date,End Date,Notes,Degree Name,Activities",
    "Skills": "Name",
    "Languages": "Name,Proficiency",
    "Certifications": "Name,Url,Authority,Started On,Finished On,License Number",
    "Projects": "Title,Description,Url,Started On,Finished On",
    "Volunteering": "Company Name,Role,Cause,Started On,Finished On,Description",
    "Honors": "Title,Description,Issued On",
    "Publications": "Name,Published On,Description,Publisher,Url",
}
cells = texts | dates | links | st.sampled_from(["", "Yes", "x@example.com", "[BLOG:https://example.com],[X:y"])
rows = st.lists(st.lists(cells, max_size=9), max_size=4)


def csv_file(header: str, lines: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([header.split(","), *lines])
    return out.getvalue().encode("utf-8", "replace")


@FEW_EXAMPLES
@given(st.dictionaries(st.sampled_from(sorted(HEADERS)), rows, min_size=1), st.sampled_from(LANGUAGES))
def test_any_rows_become_a_resume(tables: dict[str, list[list[str]]], language: str) -> None:
    files = {f"{name}.csv": csv_file(HEADERS[name], lines) for name, lines in tables.items()}
    try:
        draft = read_export(zipped(files), LIMITS)
    except InvalidArchive as refused:
        assert "compressed beyond belief" in str(refused)  # noqa: PT017 - most archives are not refused
    else:
        assert_sound(draft, language)


@given(st.sampled_from(sorted(HEADERS)), st.binary(max_size=400))
def test_any_bytes_below_a_header_become_a_resume(name: str, content: bytes) -> None:
    assert_sound(read_export(zipped({f"{name}.csv": HEADERS[name].encode() + b"\n" + content}), LIMITS))


@given(st.binary(max_size=300))
def test_file_that_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidArchive):
        read_export(content, LIMITS)


SOUND = zipped({f"{name}.csv": csv_file(header, [["2020"] * 6]) for name, header in HEADERS.items()})


@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), max_size=12), st.integers(0, 200))
def test_a_damaged_archive_is_read_or_refused(changes: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(SOUND)
    for place, value in changes:
        content[place] = value
    try:
        draft = read_export(bytes(content[: len(content) - cut]), LIMITS)
    except InvalidArchive:
        return
    assert_sound(draft)


@given(st.binary(max_size=64), st.integers(0, 4096))
def test_a_damaged_directory_is_read_or_refused(noise: bytes, place: int) -> None:
    directory = SOUND.index(b"PK\x01\x02")
    at = directory + place % (len(SOUND) - directory)
    try:
        draft = read_export(SOUND[:at] + noise + SOUND[at + len(noise) :], LIMITS)
    except InvalidArchive:
        return
    assert_sound(draft)


def test_file_without_a_name_is_reported() -> None:
    archive = zipped({"Profile.csv": b"First Name,Last Name\nJane,Doe\n", "folder\\": b"what is this?"})
    _, report = read_export(archive, LIMITS).finish("fr", None)
    assert "a file without a name" in [note["file"] for note in report]


hosts = st.text("az.", max_size=6).map(lambda subdomain: f"https://{subdomain}linkedin.com/in/")
slugs = st.text(st.characters(categories=("L", "N")) | st.sampled_from("_%-"), min_size=1, max_size=20)
profile_urls = st.builds("".join, st.tuples(hosts, slugs, st.sampled_from(["", "/", "?", "#"]), st.text(max_size=5)))


@given(st.text() | profile_urls)
def test_profile_url_is_rebuilt_or_refused(text: str) -> None:
    found = profile_url(text)
    assert found is None or re.fullmatch(r"https://www\.linkedin\.com/in/[A-Za-z0-9_%-]+", found, re.ASCII)


@pytest.mark.parametrize("name", ["johndoe", "a", "j%C3%A9r%C3%B4me-dupont-42", "%E6%9D%8E%E5%B0%8F%E9%BE%99", "a_b"])
def test_slugs_of_all_alphabets_are_kept(name: str) -> None:
    assert profile_url(f"https://www.linkedin.com/in/{name}/") == f"https://www.linkedin.com/in/{name}"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2021", "2021-01-01"),
        ("Mar 2024", "2024-03-01"),
        ("March 2024", "2024-03-01"),
        ("Mar 5, 2020", "2020-03-05"),
        ("5 Mar 2020", "2020-03-05"),
        ("2020-06", "2020-06-01"),
        ("2020-01-15", "2020-01-15"),
        ("2020-01-15T10:00:00Z", "2020-01-15"),
        ("03/2024", "2024-03-01"),
        ("2024-02-30", None),
        ("Smarch 2024", None),
        ("Mar", None),
        ("24", None),
        ("", None),
        ("soon", None),
    ],
)
def test_month_and_year_become_their_first_day(text: str, day: str | None) -> None:
    found = parse_date(text)
    assert (found and found.date) == day


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("2018", "2018"),
        ("Oct. 2012", "2012-10"),
        ("Sept 2013", "2013-09"),
        ("2010-00-00", "2010"),
        ("févr. 2019", "2019-02"),
        ("Mär 2020", "2020-03"),
        ("1. Mai 2020", "2020-05-01"),
        ("Feb 17, 1990", "1990-02-17"),
        ("мая 2020", "2020-05"),
        ("2019年3月", "2019-03"),
        ("05/2019", "2019-05"),
        ("2020-01-15T08:00:00Z", "2020-01-15"),
        ("2009-2012", None),
        ("Summer 2009", None),
    ],
)
def test_a_date_is_as_precise_as_it_is_written(text: str, known: str | None) -> None:
    found = parse_date(text)
    assert (found and found.text) == known


@pytest.mark.parametrize("text", ["Present", "aujourd’hui", "настоящее время", "至今", "até o momento", "Heute"])
def test_words_in_place_of_an_end(text: str) -> None:
    assert is_ongoing(text)


@given(texts | dates)
def test_any_text_is_a_date_or_none(text: str) -> None:
    found = parse_date(clean(text))
    assert found is None or re.fullmatch(r"\d{4}-\d{2}-\d{2}", found.date, re.ASCII)


def test_excess_combining_marks_are_stripped() -> None:
    assert clean("a" + "\u0316" * 100_000 + "b") == "a" + "\u0316" * 30 + "b"


def test_every_pdf_language_has_section_titles() -> None:
    assert all(set(titles) == set(LANGUAGES) for titles in TITLES.values())
