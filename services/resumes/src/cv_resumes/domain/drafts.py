"""What an import makes of somebody else's data: the fields of a new resume, and a report of what did not fit."""

from collections.abc import Mapping
from typing import Any

from cv_resumes.domain.content import MAX_CONTENT_BYTES, MAX_ENTRIES, MAX_LONG, MAX_SHORT, Entry
from cv_resumes.domain.sections import size_of

EXPERIENCE, EDUCATION, SKILLS = "experience_data", "education_data", "skills_data"
LANGUAGES, CERTIFICATIONS, PROJECTS = "languages_data", "certifications_data", "projects_data"
_CUSTOM = "custom_sections"
_REQUIRED = {
    EXPERIENCE: ("company", "position", "start_date"),
    EDUCATION: ("institution", "degree", "start_date"),
    SKILLS: ("name",),
    LANGUAGES: ("language",),
    CERTIFICATIONS: ("name",),
    PROJECTS: ("name",),
}
_CALLED = ("position", "company", "degree", "institution")
"""What an entry that is left out is called by."""
TITLES = {
    "fr": {
        "volunteering": "Bénévolat",
        "honors": "Distinctions",
        "publications": "Publications",
        "interests": "Centres d'intérêt",
    },
    "en": {
        "volunteering": "Volunteering",
        "honors": "Honors & awards",
        "publications": "Publications",
        "interests": "Interests",
    },
}
"""Titles of the sections that a resume has no list for, by language."""

_MOST_NOTES = 200
_NAMES_TOLD = 10
_ENTRY_OVERHEAD = 160
"""Most bytes that an entry grows by when it is stored: its id, its place, what the source says nothing of, a comma."""
_DOCUMENT_OVERHEAD = 1024

Note = dict[str, Any]
"""One line of the report: `file`, `reason`, and `row` where one row is meant."""


class Draft:
    """A resume in the making. Entries go into their sections, what does not fit goes into the report."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {"full_name": "", "email": ""}
        self._sections: dict[str, list[Entry]] = {section: [] for section in (*_REQUIRED, _CUSTOM)}
        self._told: dict[str, list[str]] = {}
        self._notes: list[Note] = []
        self._notes_more = 0
        self._room = MAX_CONTENT_BYTES - _DOCUMENT_OVERHEAD
        self._present: dict[str, dict[str, None]] = {}
        self._used: dict[str, set[str]] = {}

    def note(self, file: str, row: int | None, reason: str) -> None:
        """Say in the report what did not come along."""
        if len(self._notes) < _MOST_NOTES:
            self._notes.append({"file": file} | ({"row": row} if row is not None else {}) | {"reason": reason})
        else:
            self._notes_more += 1

    def present(self, file: str, values: Mapping[str, Any]) -> None:
        """`file` has these values; what is never `used` of them is told in the end."""
        names = self._present.setdefault(file, {})
        names.update((name, None) for name, value in values.items() if name and value not in (None, "", [], {}))

    def used(self, file: str, name: str) -> None:
        """This value of `file` has found its place, or needs none."""
        self._used.setdefault(file, set()).add(name)

    def set(self, **fields: str | None) -> None:
        """Fill fields of the resume with what the source has."""
        self._fields |= {name: value for name, value in fields.items() if value}
        self._room -= size_of(fields.get("summary"))

    def add(self, section: str, entry: Entry) -> str | None:
        """Put an entry into its section; the reason if that cannot be."""
        missing = [name for name in _REQUIRED[section] if not entry.get(name)]
        if missing:
            called = next((f'"{entry[name][:MAX_SHORT]}"' for name in _CALLED if entry.get(name)), "It")
            return f"{called} is left out: it has no {' and no '.join(missing)}."
        return self._keep(section, entry)

    def tell(self, topic: str, *lines: str | None) -> None:
        """Add a paragraph to the section about `topic`, one of `TITLES`."""
        self._told.setdefault(topic, []).append("\n".join(line for line in lines if line))

    def finish(self, language: str, account_email: str | None) -> tuple[dict[str, Any], list[Note]]:
        """The fields of a request that creates the resume, and the report. Ends the draft.

        An e-mail address that the source lacks is the account's; a name that it lacks is the empty text.
        """
        for topic, paragraphs in self._told.items():
            self._keep_told(topic, TITLES[language][topic], "\n\n".join(filter(None, paragraphs)))
        if not self._fields["email"]:
            self._fields["email"] = account_email or ""
            taken = ": it is the account's" if account_email else ""
            self.note("resume", None, f"The source has no email{taken}.")
        self._note_unused()
        if self._notes_more:
            self._notes.append({"file": "report", "reason": f"{self._notes_more} more lines are left out."})
        return {**self._fields, **self._sections}, self._notes

    def _keep_told(self, topic: str, title: str, content: str) -> None:
        if len(content) > MAX_LONG:
            self.note(topic, None, f"The text is cut after {MAX_LONG} characters.")
        content = content[:MAX_LONG].strip()
        if content and (reason := self._keep(_CUSTOM, {"title": title, "content": content})) is not None:
            self.note(topic, None, reason)

    def _keep(self, section: str, entry: Entry) -> str | None:
        entries = self._sections[section]
        size = size_of(entry) + _ENTRY_OVERHEAD
        if len(entries) >= MAX_ENTRIES:
            return f"It is left out: a section takes {MAX_ENTRIES} entries."
        if size > self._room:
            return f"It is left out: a CV takes {MAX_CONTENT_BYTES // 1024} KB."
        self._room -= size
        entries.append(entry)
        return None

    def _note_unused(self) -> None:
        for file, names in self._present.items():
            unused = [name[:MAX_SHORT] for name in names if name not in self._used.get(file, ())]
            if unused:
                more = ", …" if len(unused) > _NAMES_TOLD else ""
                self.note(file, None, f"A CV has no place for: {', '.join(unused[:_NAMES_TOLD])}{more}.")
