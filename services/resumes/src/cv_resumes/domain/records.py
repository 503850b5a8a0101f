"""Read the records of an import source: rows of a file, or objects of a document.

Values may be anything. They are returned clean and within the limits of a resume, and what does not fit is reported in
the draft.
"""

import re
from collections.abc import Iterable, Mapping
from html import unescape

from cv_common.drf.fields import Email, Text, Url
from cv_common.drf.texts import normalized, strip_excess_marks
from pydantic_core import PydanticCustomError

from cv_resumes.domain.content import MAX_LINE, MAX_LONG, MAX_SHORT, UNKNOWN
from cv_resumes.domain.drafts import Draft
from cv_resumes.domain.partial_dates import PartialDate, is_ongoing, parse_date

MAX_DATE = 50
"""The most characters of a date in a free section."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)


def clean(value: object) -> str:
    """Return a text or number as a text that PostgreSQL can store: trimmed, in NFC. `""` for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = _ENTITY.sub(lambda entity: unescape(entity[0]), str(value))
    return normalized(strip_excess_marks(_UNSTORABLE.sub("", text).strip()))


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
        self._unread_dates: list[str] = []
        draft.add_source(file, self._values)

    def add_note(self, reason: str) -> None:
        """Report something of this record that the resume does not have."""
        self._draft.add_note(self._file, self._row, reason)

    def add_entry(self, section: str, entry: Mapping[str, object]) -> None:
        """Add an entry made of this record to a section."""
        if self._unread_dates:
            dates = " – ".join(self._unread_dates)
            entry = {
                **entry,
                "description": join_present(dates, str(entry.get("description") or ""), by="\n")[:MAX_LONG],
            }
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

    def date(self, name: str) -> PartialDate | None:
        """Return a date. None if it is missing or unreadable. What is unreadable goes into the description."""
        text = clean(self.raw(name))
        found = parse_date(text)
        if text and found is None:
            self._unread_dates.append(text)
            self.add_note(f'{name} is in the description: "{text[:MAX_SHORT]}" is not a date.')
        return found

    def date_text(self, name: str) -> str | None:
        """Return a date as text, as precise as it is known: `2019`, `2019-11`. Other text is returned as it is."""
        text = self.text(name, MAX_DATE)
        found = parse_date(text or "")
        return found.text if found else text

    def period(self, started: str, finished: str, *, open_ended: bool = False) -> dict[str, object]:
        """Return the dates of an entry, their precisions and `is_current`. `open_ended`: without an end it is current.

        A period without any date is not current: nobody said so.
        """
        start, end_text = self.date(started), clean(self.raw(finished))
        is_current = is_ongoing(end_text) or (open_ended and not end_text and start is not None)
        end = None if is_current else self.date(finished)
        if start is not None and end is not None and not start.may_precede(end):
            self._unread_dates.append(end_text)
            self.add_note(f"{finished} is in the description: it is before {started}.")
            end = None
        return {
            "start_date": start.date if start else None,
            "start_date_precision": _precision(start) if start else UNKNOWN,
            "end_date": end.date if end else None,
            "end_date_precision": _precision(end) if end else None,
            "is_current": is_current,
        }

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


def _precision(day: PartialDate) -> str | None:
    """Return the precision that an entry has: CVs show days as months, so that only a year is less than usual."""
    return day.precision if day.precision == "year" else None


def join_present(*texts: str | None, by: str = ", ") -> str:
    """Join the texts that are not empty."""
    return by.join(text for text in texts if text)


def drop_empty(entry: Mapping[str, object]) -> dict[str, object]:
    """Return `entry` without empty values, for keys that are not documented."""
    return {name: value for name, value in entry.items() if value}


def bullet_list(texts: Iterable[str]) -> str:
    """Format texts as a bullet list."""
    return "\n".join(f"- {text}" for text in texts)
