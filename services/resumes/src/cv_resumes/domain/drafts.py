"""The draft of an imported resume: its fields, and a report of what the resume has no place for."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict, Unpack

from cv_resumes.domain.content import MAX_CONTENT_BYTES, MAX_ENTRIES, MAX_LONG, MAX_SHORT
from cv_resumes.domain.sections import size_of

EXPERIENCE, EDUCATION, SKILLS = "experience_data", "education_data", "skills_data"
LANGUAGES, CERTIFICATIONS, PROJECTS = "languages_data", "certifications_data", "projects_data"
_CUSTOM = "custom_sections"
_REQUIRED = {
    EXPERIENCE: ("company", "position"),
    EDUCATION: ("institution", "degree"),
    SKILLS: ("name",),
    LANGUAGES: ("language",),
    CERTIFICATIONS: ("name",),
    PROJECTS: ("name",),
}
_PRECISIONS = ("start_date_precision", "end_date_precision")
_LABEL_KEYS = ("position", "company", "degree", "institution")
"""The keys whose value names an entry in the report."""
TITLES = {
    "volunteering": {"fr": "Bénévolat", "en": "Volunteering"},
    "honors": {"fr": "Distinctions", "en": "Honors & awards"},
    "publications": {"fr": "Publications", "en": "Publications"},
    "interests": {"fr": "Centres d'intérêt", "en": "Interests"},
    "courses": {"fr": "Cours suivis", "en": "Courses"},
    "organizations": {"fr": "Associations", "en": "Organizations"},
    "patents": {"fr": "Brevets", "en": "Patents"},
    "test_scores": {"fr": "Résultats d'examens", "en": "Test scores"},
    "references": {"fr": "Références", "en": "References"},
    "profiles": {"fr": "Profils en ligne", "en": "Profiles"},
}
"""The kinds of custom sections that an import makes, and their titles by language."""

_MAX_NOTES = 200
_MAX_NAMES = 10
_ENTRY_OVERHEAD = 224
"""The most bytes that storing adds to an entry: id, order, null values and a comma."""
_DOCUMENT_OVERHEAD = 1024


class Note(TypedDict):
    """One line of the report. `row` is absent from a line about a whole file."""

    file: str
    row: NotRequired[int]
    reason: str


class ImportedFields(TypedDict, total=False):
    """The fields of a resume that an import can set, besides its sections."""

    full_name: str | None
    email: str | None
    phone: str | None
    address: str | None
    website: str | None
    github_url: str | None
    title: str | None
    summary: str | None


class Draft:
    """Collects the fields and entries of a resume. What does not fit goes into the report."""

    def __init__(self) -> None:
        self._fields: dict[str, object] = {"full_name": "", "email": ""}
        self._sections: dict[str, list[Mapping[str, object]]] = {section: [] for section in (*_REQUIRED, _CUSTOM)}
        self._paragraphs: dict[str, list[str]] = {}
        self._notes: list[Note] = []
        self._omitted_notes = 0
        self._remaining_bytes = MAX_CONTENT_BYTES - _DOCUMENT_OVERHEAD
        self._source_names: dict[str, dict[str, None]] = {}
        self._used_names: dict[str, set[str]] = {}

    def add_note(self, file: str, row: int | None, reason: str) -> None:
        """Report something that the resume does not have."""
        if len(self._notes) == _MAX_NOTES:
            self._omitted_notes += 1
        elif row is None:
            self._notes.append({"file": file, "reason": reason})
        else:
            self._notes.append({"file": file, "row": row, "reason": reason})

    def add_source(self, file: str, values: Mapping[str, object]) -> None:
        """Record the values of `file`. `finish` reports those that were never marked as used."""
        names = self._source_names.setdefault(file, {})
        names.update((name, None) for name, value in values.items() if name and value not in (None, "", [], {}))

    def mark_used(self, file: str, name: str) -> None:
        """Mark a value of `file` as used, or as one that needs no place."""
        self._used_names.setdefault(file, set()).add(name)

    def set_fields(self, **fields: Unpack[ImportedFields]) -> None:
        """Set the fields of the resume that have a value."""
        self._fields |= {name: value for name, value in fields.items() if value}
        self._remaining_bytes -= size_of(fields.get("summary"))

    def add_entry(self, section: str, entry: Mapping[str, object]) -> str | None:
        """Add an entry that has any text to a section. Returns what it lacks or why it is left out, or None."""
        if not any(isinstance(value, str) and value for name, value in entry.items() if name not in _PRECISIONS):
            return "It is left out: it is empty."
        if section == SKILLS and not entry.get("name"):
            return "It is left out: it has no name."
        if section == SKILLS and self._has_skill(entry):
            return None
        label = next((f'"{str(entry[name])[:MAX_SHORT]}"' for name in _LABEL_KEYS if entry.get(name)), "It")
        missing = [name for name in _REQUIRED[section] if not entry.get(name)]
        lack = f"{label} has no {' and no '.join(missing)}." if missing else None
        blanks = dict.fromkeys(missing, "") if section in (EXPERIENCE, EDUCATION) else {}
        return self._append(section, {**entry, **blanks}) or lack

    def _has_skill(self, entry: Mapping[str, object]) -> bool:
        """Return whether a skill of this name and category was added before."""
        names = [(str(each["name"]).casefold(), each.get("category")) for each in self._sections[SKILLS]]
        return (str(entry["name"]).casefold(), entry.get("category")) in names

    def add_paragraph(self, topic: str, *lines: str | None) -> None:
        """Add a paragraph to the custom section about `topic`, a key of `TITLES`."""
        self._paragraphs.setdefault(topic, []).append("\n".join(line for line in lines if line))

    def finish(self, language: str, account_email: str | None) -> tuple[dict[str, object], list[Note]]:
        """Return the fields of the request that creates the resume, and the report. Call it once.

        A missing e-mail address is replaced by the account's, and a missing name by the empty string.
        """
        for topic, paragraphs in self._paragraphs.items():
            self._add_custom_section(topic, TITLES[topic][language], "\n\n".join(filter(None, paragraphs)))
        if not self._fields["email"]:
            self._fields["email"] = account_email or ""
            fallback = ": it is the account's" if account_email else ""
            self.add_note("resume", None, f"The source has no email{fallback}.")
        self._report_unused()
        if self._omitted_notes:
            self._notes.append({"file": "report", "reason": f"{self._omitted_notes} more lines are left out."})
        return {**self._fields, **self._sections}, self._notes

    def _add_custom_section(self, topic: str, title: str, content: str) -> None:
        if len(content) > MAX_LONG:
            self.add_note(topic, None, f"The text is cut after {MAX_LONG} characters.")
        content = content[:MAX_LONG].strip()
        section = {"title": title, "content": content, "kind": topic}
        if content and (reason := self._append(_CUSTOM, section)) is not None:
            self.add_note(topic, None, reason)

    def _append(self, section: str, entry: Mapping[str, object]) -> str | None:
        entries = self._sections[section]
        size = size_of(entry) + _ENTRY_OVERHEAD
        if len(entries) >= MAX_ENTRIES:
            return f"It is left out: a section takes {MAX_ENTRIES} entries."
        if size > self._remaining_bytes:
            return f"It is left out: a CV takes {MAX_CONTENT_BYTES // 1024} KB."
        self._remaining_bytes -= size
        entries.append(entry)
        return None

    def _report_unused(self) -> None:
        for file, names in self._source_names.items():
            unused = [name[:MAX_SHORT] for name in names if name not in self._used_names.get(file, ())]
            if unused:
                more = ", …" if len(unused) > _MAX_NAMES else ""
                self.add_note(file, None, f"A CV has no place for: {', '.join(unused[:_MAX_NAMES])}{more}.")
