"""The files of a member's LinkedIn data export, a ZIP of CSV files: which of them are read, and how.

Names of files are translated in some exports and columns are not: a file is known by its header. What tells of other
people (connections, messages, invitations, recommendations) is never opened, and of a file with a name unknown here
only the first line is looked at.
"""

import csv
import re
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from zipfile import ZipInfo

from cv_resumes.domain.archives import Archive, InvalidArchive, base_name
from cv_resumes.domain.drafts import Draft
from cv_resumes.domain.encodings import decoded
from cv_resumes.domain.records import Record, clean

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
}
"""What tells the files apart. The skills have the one column `Name`."""
_OWN_NAMES = frozenset(
    {
        "profile", "emailaddresses", "phonenumbers", "positions", "education", "skills", "languages",
        "certifications", "projects", "volunteering", "honors", "publications",
    }
)  # fmt: skip
_OF_OTHERS = (
    "connection", "contact", "endorsement", "follows", "invitation", "message", "recommendation",
)  # fmt: skip
"""Words in the names of files that tell of other people."""
_OTHER_NAMES = frozenset(
    {
        "adsclicked", "adtargeting", "comments", "events", "inferencesaboutyou", "instantreposts", "jobapplications",
        "jobapplicantsavedscreeningquestionresponses", "jobseekerpreferences", "lanadsengagement", "learning",
        "logins", "profilesummary", "providers", "reactions", "receipts", "registration", "richmedia", "saveditems",
        "savedjobalerts", "savedjobs", "searchqueries", "securitychallenges", "shares", "votes",
    }
)  # fmt: skip
_NAMES = {"first name", "last name"}
"""Either column makes a profile of a file of that name. Under another name it may be a list of other people."""
_MOST_ROWS = 2000
_UNSOUND = "Some of its letters may be wrong: it is not in UTF-8 throughout."


def read_tables(archive: Archive, draft: Draft) -> dict[str, list[Record]]:
    """The rows of the files that go into a resume, by kind of file; the others are noted.

    Of two files of a kind the first is taken. Raises InvalidArchive for one that is damaged or too large.
    """
    tables: dict[str, list[Record]] = {}
    for file in sorted(archive.files, key=lambda file: _plain_name(file) not in _OWN_NAMES):
        name = base_name(file) or "a file without a name"
        if name.startswith("._") or name == ".DS_Store":
            continue
        kind = _kind(archive, file)
        if kind is None:
            draft.note(name, None, "It is left out: a CV has no place for what it holds.")
        elif kind in tables:
            draft.note(name, None, "It is left out: another file holds the same columns.")
        else:
            text, is_sound = decoded(archive.read(file))
            if not is_sound:
                draft.note(name, None, _UNSOUND)
            tables[kind] = list(_records(draft, name, text))
    return tables


def _kind(archive: Archive, file: ZipInfo) -> str | None:
    """What a file holds, by its header; None for what does not belong in a resume."""
    name = _plain_name(file)
    if not file.filename.lower().endswith(".csv") or name in _OTHER_NAMES or any(word in name for word in _OF_OTHERS):
        return None
    try:
        line = archive.first_line(file)
    except InvalidArchive:
        if name in _OWN_NAMES:
            raise
        return None
    columns = set(_header(next(csv.reader([line]), [])))
    if columns == {"name"}:
        return "skills"
    if name == "profile" and columns & _NAMES:
        return "profile"
    return next((kind for kind, needed in _COLUMNS.items() if needed <= columns), None)


def _plain_name(file: ZipInfo) -> str:
    """`Email Addresses.csv` and `email_addresses_12345.csv` as `emailaddresses`."""
    stem = base_name(file).rpartition(".")[0].casefold()
    return re.sub(r"_\d+$|[\W_]", "", stem)


def _header(cells: list[str]) -> list[str]:
    return [clean(cell).casefold() for cell in cells]


def _records(draft: Draft, file: str, text: str) -> Iterator[Record]:
    """The rows of a CSV file that hold something, numbered as a spreadsheet does."""
    rows = csv.reader(StringIO(text, newline=""))
    try:
        header = _header(next(rows, []))
        for number, cells in enumerate(islice(rows, _MOST_ROWS), start=2):
            if any(cell.strip() for cell in cells):
                yield Record(draft, file, number, dict(zip(header, cells, strict=False)))
        if next(rows, None) is not None:
            draft.note(file, None, f"Only its first {_MOST_ROWS} rows are read.")
    except csv.Error:
        draft.note(file, None, f"It is not read further than line {rows.line_num}: that is not CSV.")
