"""Read the records of an import source: rows of a file, or objects of a document.

Values may be anything. They are returned clean and within the limits of a resume, and what does not fit is reported in
the draft.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from cv_common.drf.fields import Email, Text, Url
from cv_common.drf.texts import normalized, strip_excess_marks
from pydantic_core import PydanticCustomError

from cv_resumes.domain.content import MAX_LINE, MAX_SHORT
from cv_resumes.domain.drafts import Draft

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ONGOING = frozenset({"present", "current", "now", "today"})
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ].*", re.DOTALL)
_DATES = (
    "%Y-%m-%d", "%Y-%m", "%Y", "%b %Y", "%B %Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%m/%Y",
)  # fmt: skip


def clean(value: object) -> str:
    """Return a text or number as a text that PostgreSQL can store: trimmed, in NFC. `""` for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return normalized(strip_excess_marks(_UNSTORABLE.sub("", str(value)).strip()))


def parse_date(text: str) -> str | None:
    """Return `Mar 2024`, `2021`, `2020-01-15`, … as `YYYY-MM-DD`, on the first day of a month or year, or None."""
    day = _TIMESTAMP.sub(r"\1", text)
    for form in _DATES:
        try:
            return datetime.strptime(day, form).date().isoformat()  # noqa: DTZ007 - a day has no time zone
        except ValueError:
            continue
    return None


def is_email(text: str) -> bool:
    """Return whether `text` is a valid e-mail address of a resume."""
    return bool(text) and _is_valid(Email(254), text)


def is_url(text: str) -> bool:
    """Return whether `text` is a valid link of a resume."""
    return bool(text) and _is_valid(Url(MAX_LINE), text)


def _is_valid(field: Text, text: str) -> bool:
    try:
        field.parse(text)
    except PydanticCustomError:
        return False
    return True


class Record:
    """One record of a source, whose methods report in the draft what does not fit."""

    def __init__(self, draft: Draft, file: str, row: int | None, values: Mapping[str, object]) -> None:
        self._draft, self._file, self._row = draft, file, row
        self._values = {clean(name): value for name, value in values.items()}
        draft.add_source(file, self._values)

    def add_note(self, reason: str) -> None:
        """Report something of this record that the resume does not have."""
        self._draft.add_note(self._file, self._row, reason)

    def add_entry(self, section: str, entry: Mapping[str, object]) -> None:
        """Add an entry made of this record to a section."""
        if (reason := self._draft.add_entry(section, entry)) is not None:
            self.add_note(reason)

    def add_paragraph(self, topic: str, *lines: str | None) -> None:
        """Add a paragraph made of this record to the custom section about `topic`."""
        self._draft.add_paragraph(topic, *lines)

    def raw(self, name: str) -> object:
        """Return a value as the source has it. Marks it as used."""
        self._draft.mark_used(self._file, name)
        return self._values.get(name)

    def text(self, name: str, limit: int = MAX_LINE) -> str | None:
        """Return a text, truncated to `limit` characters. None if it is empty."""
        value = self.raw(name)
        text = clean(value)
        if value and not text and not isinstance(value, str):
            self.add_note(f"{name} is not a text.")
        return self.truncate(name, text, limit)

    def truncate(self, name: str, text: str, limit: int = MAX_LINE) -> str | None:
        """Return a clean `text`, truncated to `limit` characters. None if it is empty."""
        if len(text) > limit:
            self.add_note(f"{name} is cut after {limit} characters.")
        return text[:limit].strip() or None

    def complete_text(self, name: str, limit: int) -> str | None:
        """Return a text that must not be truncated. None if it is empty or longer than `limit`."""
        text = clean(self.raw(name))
        if len(text) > limit:
            self.add_note(f"{name} is left out: it is longer than {limit} characters.")
        return text if 0 < len(text) <= limit else None

    def url(self, name: str) -> str | None:
        """Return a valid link, or None."""
        text = clean(self.raw(name))
        if text and not is_url(text):
            self.add_note(f'{name} is left out: "{text[:MAX_SHORT]}" is not a link that a CV takes.')
        return text if is_url(text) else None

    def date(self, name: str) -> str | None:
        """Return a date as `parse_date` does. None if it is missing or unreadable."""
        text = clean(self.raw(name))
        found = parse_date(text)
        if text and found is None:
            self.add_note(f'{name} is left out: "{text[:MAX_SHORT]}" is not a date.')
        return found

    def period(self, started: str, finished: str, *, open_ended: bool = False) -> dict[str, object]:
        """Return `start_date`, `end_date` and `is_current`. `open_ended`: without an end it is current."""
        start, end_text = self.date(started), clean(self.raw(finished)).casefold()
        is_current = end_text in _ONGOING or (open_ended and not end_text)
        end = None if is_current else self.date(finished)
        if start is not None and end is not None and end < start:
            self.add_note(f"{finished} is left out: it is before {started}.")
            end = None
        return {"start_date": start, "end_date": end, "is_current": is_current}

    def texts(self, name: str) -> list[str]:
        """Return the texts of a list, or the only text."""
        value = self.raw(name)
        items = value if isinstance(value, list) else [value]
        found = [clean(item) for item in items]
        if any(item and not text for item, text in zip(items, found, strict=True)):
            self.add_note(f"{name} has something that is not a text.")
        return [text for text in found if text]

    def record(self, name: str) -> "Record":
        """Return the object of that name, or an empty one."""
        value = self.raw(name)
        if value and not isinstance(value, dict):
            self.add_note(f"{name} is not an object.")
        return Record(self._draft, name, None, value if isinstance(value, dict) else {})

    def records(self, name: str) -> list["Record"]:
        """Return the objects of a list, numbered from 1."""
        value = self.raw(name)
        items = value if isinstance(value, list) else []
        if value and not items:
            self.add_note(f"{name} is not a list.")
        found = []
        for place, item in enumerate(items, start=1):
            if isinstance(item, dict):
                found.append(Record(self._draft, name, place, item))
            else:
                self._draft.add_note(name, place, "It is not an object.")
        return found

    def mark_used(self, *names: str) -> None:
        """Mark values that need no place in a resume as used."""
        for name in names:
            self._draft.mark_used(self._file, name)


def join_present(*texts: str | None, by: str = ", ") -> str:
    """Join the texts that are not empty."""
    return by.join(text for text in texts if text)


def drop_empty(entry: Mapping[str, object]) -> dict[str, object]:
    """Return `entry` without empty values, for keys that are not documented."""
    return {name: value for name, value in entry.items() if value}


def bullet_list(texts: Iterable[str]) -> str:
    """Format texts as a bullet list."""
    return "\n".join(f"- {text}" for text in texts)
