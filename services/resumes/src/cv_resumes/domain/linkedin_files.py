"""Find and read the CSV files of a member's LinkedIn data export (ZIP).

Some exports translate the names of files, but none the columns: a file is recognized by its header. Files about other
people (connections, messages, invitations, recommendations) are never opened. Of other files with unknown names only
the first line is read.
"""

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from zipfile import ZipInfo

from cv_resumes.domain.archives import Archive, InvalidArchive, base_name
from cv_resumes.domain.content import MAX_SHORT
from cv_resumes.domain.drafts import Draft
from cv_resumes.domain.encodings import decode
from cv_resumes.domain.records import Record, clean, join_present

_COLUMNS = {
    "profile": {"first name", "last name", "headline"},
    "emails": {"email address", "primary"},
    "phones": {"extension", "number", "type"},
    "positions": {"company name", "title", "started on"},
    "education": {"school name", "degree name"},
    "languages": {"name", "proficiency"},
    "certifications": {"name", "authority"},
    "projects": {"title", "description", "url"},
    "volunteering": {"company name", "role"},
    "honors": {"title", "issued on"},
    "publications": {"name", "published on"},
    "courses": {"name", "number"},
    "organizations": {"name", "position"},
    "test_scores": {"name", "score"},
}
"""The columns that identify each kind of file. The file of skills has the single column `Name`."""
_OWN_NAMES = frozenset(
    {
        "profile", "emailaddresses", "phonenumbers", "positions", "education", "skills", "languages",
        "certifications", "projects", "volunteering", "honors", "publications",
    }
)  # fmt: skip
_OTHER_PEOPLE = (
    "connection", "contact", "endorsement", "follows", "invitation", "message", "recommendation",
)  # fmt: skip
"""Words in the names of files about other people."""
_IGNORED_NAMES = frozenset(
    {
        "adsclicked", "adtargeting", "comments", "events", "inferencesaboutyou", "instantreposts", "jobapplications",
        "jobapplicantsavedscreeningquestionresponses", "jobseekerpreferences", "lanadsengagement", "learning",
        "logins", "profilesummary", "providers", "reactions", "receipts", "registration", "richmedia", "saveditems",
        "savedjobalerts", "savedjobs", "searchqueries", "securitychallenges", "shares", "votes",
    }
)  # fmt: skip
_PROFILE_COLUMNS = {"first name", "last name"}
"""A file named `Profile` with one of these is the profile. Other files with these columns may list other people."""
_MAX_ROWS = 2000
_MAX_NOTES = 10
"""The rows among which the header is looked for."""
_DELIMITERS = ",;\t|"
_NOT_UTF8 = "Some of its letters may be wrong: it is not in UTF-8 throughout."


def read_tables(archive: Archive, draft: Draft) -> dict[str, list[Record]]:
    """Return the rows of the files that a resume has a place for, by kind of file. Other files are reported.

    Of two files of one kind the first is read. Raises InvalidArchive if a file is damaged or too large.
    """
    tables: dict[str, list[Record]] = {}
    for file in sorted(archive.files, key=lambda file: _plain_name(file) not in _OWN_NAMES):
        name = base_name(file) or "a file without a name"
        if name.startswith("._") or name == ".DS_Store":
            continue
        kind = _kind(archive, file)
        if kind is None:
            draft.add_note(name, None, "It is left out: a CV has no place for what it holds.")
        elif kind in tables:
            draft.add_note(name, None, "It is left out: another file holds the same columns.")
        else:
            text, is_valid = decode(archive.read(file))
            if not is_valid:
                draft.add_note(name, None, _NOT_UTF8)
            header = _find_header(text, _plain_name(file))
            tables[kind] = list(_records(draft, name, text, header)) if header else []
    return tables


def _kind(archive: Archive, file: ZipInfo) -> str | None:
    """Return the kind of a file, by its header. None for files that do not belong in a resume."""
    name = _plain_name(file)
    if (
        not file.filename.lower().endswith(".csv")
        or name in _IGNORED_NAMES
        or any(word in name for word in _OTHER_PEOPLE)
    ):
        return None
    try:
        beginning = archive.beginning(file)
    except InvalidArchive:
        if name in _OWN_NAMES:
            raise
        return None
    header = _find_header(beginning, name)
    return header.kind if header else None


@dataclass(frozen=True, slots=True)
class _Header:
    """The header of a CSV file: the kind of file that its columns make, and where and how they are written."""

    kind: str
    columns: list[str]
    row: int
    """The number of its row, from 1."""
    delimiter: str


def _find_header(text: str, name: str) -> _Header | None:
    """Find the header below notes and empty lines. Spreadsheets save CSV with other delimiters than a comma."""
    for delimiter in _DELIMITERS:
        with suppress(csv.Error):
            for row, cells in enumerate(islice(_rows(text, delimiter), _MAX_NOTES), start=1):
                columns = [clean(cell).casefold() for cell in cells]
                if (kind := _kind_of_columns(set(columns), name)) is not None:
                    return _Header(kind, columns, row, delimiter)
    return None


def _kind_of_columns(columns: set[str], name: str) -> str | None:
    if columns == {"name"} and (name == "skills" or name not in _OWN_NAMES):
        return "skills"
    if name == "profile" and columns & _PROFILE_COLUMNS:
        return "profile"
    if name == "patents" and "title" in columns:  # it has the columns of honors
        return "patents"
    return next((kind for kind, needed in _COLUMNS.items() if needed <= columns), None)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(StringIO(text, newline=""), delimiter=delimiter)


def _plain_name(file: ZipInfo) -> str:
    """Return `Email Addresses.csv` and `email_addresses_12345.csv` as `emailaddresses`."""
    stem = base_name(file).rpartition(".")[0].casefold()
    return re.sub(r"_\d+$|[\W_]", "", stem)


def _records(draft: Draft, file: str, text: str, header: _Header) -> Iterator[Record]:
    """Return the rows of a CSV file that are not empty, numbered as in a spreadsheet."""
    rows = csv.reader(StringIO(text, newline=""), delimiter=header.delimiter)
    try:
        for number, cells in enumerate(islice(rows, header.row + _MAX_ROWS), start=1):
            if number > header.row and any(cell.strip() for cell in cells):
                yield Record(draft, file, number, dict(zip(header.columns, cells, strict=False)))
                if further := join_present(*map(clean, cells[len(header.columns) :])):
                    draft.add_note(file, number, f'"{further[:MAX_SHORT]}" is left out: it is beyond the last column.')
        if next(rows, None) is not None:
            draft.add_note(file, None, f"Only its first {_MAX_ROWS} rows are read.")
    except csv.Error:
        draft.add_note(file, None, f"It is not read further than line {rows.line_num}: that is not CSV.")
