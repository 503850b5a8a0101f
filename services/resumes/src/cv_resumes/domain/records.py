"""Reading somebody else's records: values leave clean and within a resume's limits, and none is invented.

A record is a row of a file or an object of a document, and its values may be anything. What does not fit is noted in
the draft that it is read for.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from cv_common.drf.fields import Email, Text, Url
from cv_common.drf.texts import normalized, strip_excess_marks
from pydantic_core import PydanticCustomError

from cv_resumes.domain.content import MAX_LINE, MAX_SHORT, Entry
from cv_resumes.domain.drafts import Draft

_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")
_STILL = frozenset({"present", "current", "now", "today"})
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ].*", re.DOTALL)
_DATES = (
    "%Y-%m-%d", "%Y-%m", "%Y", "%b %Y", "%B %Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%m/%Y",
)  # fmt: skip


def clean(value: Any) -> str:
    """A text or number as a text that can be kept: trimmed, in NFC; `""` for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return normalized(strip_excess_marks(_UNKEEPABLE.sub("", str(value)).strip()))


def parse_date(text: str) -> str | None:
    """`Mar 2024`, `2021`, `2020-01-15`, … as `YYYY-MM-DD`, on the first day of what is said; None if unreadable."""
    day = _MOMENT.sub(r"\1", text)
    for form in _DATES:
        try:
            return datetime.strptime(day, form).date().isoformat()  # noqa: DTZ007 - a day has no time zone
        except ValueError:
            continue
    return None


def is_email(text: str) -> bool:
    """Would a resume take `text` as its e-mail address?"""
    return bool(text) and _fits(Email(254), text)


def is_url(text: str) -> bool:
    """Would a resume take `text` as a link?"""
    return bool(text) and _fits(Url(MAX_LINE), text)


def _fits(field: Text, text: str) -> bool:
    try:
        field.parse(text)
    except PydanticCustomError:
        return False
    return True


class Record:
    """One record of a source, a row of a file or an object of a document. What of it does not fit is noted."""

    def __init__(self, draft: Draft, file: str, row: int | None, values: Mapping[str, Any]) -> None:
        self._draft, self._file, self._row = draft, file, row
        self._values = {clean(name): value for name, value in values.items()}
        draft.present(file, self._values)

    def note(self, reason: str) -> None:
        """Say in the report what of this record did not come along."""
        self._draft.note(self._file, self._row, reason)

    def add(self, section: str, entry: Entry) -> None:
        """Put what was made of this record into a section of the resume."""
        if (reason := self._draft.add(section, entry)) is not None:
            self.note(reason)

    def tell(self, topic: str, *lines: str | None) -> None:
        """Put what was made of this record into the text about `topic`."""
        self._draft.tell(topic, *lines)

    def raw(self, name: str) -> Any:
        """A value as it is."""
        self._draft.used(self._file, name)
        return self._values.get(name)

    def text(self, name: str, limit: int = MAX_LINE) -> str | None:
        """A text, cut to `limit` characters; None when it is empty."""
        value = self.raw(name)
        text = clean(value)
        if value and not text and not isinstance(value, str):
            self.note(f"{name} is not a text.")
        return self.cut(name, text, limit)

    def cut(self, name: str, text: str, limit: int = MAX_LINE) -> str | None:
        """A clean `text`, cut to `limit` characters; None when it is empty."""
        if len(text) > limit:
            self.note(f"{name} is cut after {limit} characters.")
        return text[:limit].strip() or None

    def whole(self, name: str, limit: int) -> str | None:
        """A text that makes no sense when it is cut; None when it is empty or longer than `limit`."""
        text = clean(self.raw(name))
        if len(text) > limit:
            self.note(f"{name} is left out: it is longer than {limit} characters.")
        return text if 0 < len(text) <= limit else None

    def url(self, name: str) -> str | None:
        """A link that a resume takes, or None."""
        text = clean(self.raw(name))
        if text and not is_url(text):
            self.note(f'{name} is left out: "{text[:MAX_SHORT]}" is not a link that a CV takes.')
        return text if is_url(text) else None

    def date(self, name: str) -> str | None:
        """A date as `YYYY-MM-DD`, on the first day of what the source says; None when it says none."""
        text = clean(self.raw(name))
        found = parse_date(text)
        if text and found is None:
            self.note(f'{name} is left out: "{text[:MAX_SHORT]}" is not a date.')
        return found

    def period(self, started: str, finished: str, *, lasts: bool = False) -> dict[str, Any]:
        """`start_date`, `end_date`, `is_current`. What `lasts` goes on when the source says no end."""
        start, said = self.date(started), clean(self.raw(finished)).casefold()
        is_current = said in _STILL or (lasts and not said)
        end = None if is_current else self.date(finished)
        if start is not None and end is not None and end < start:
            self.note(f"{finished} is left out: it is before {started}.")
            end = None
        return {"start_date": start, "end_date": end, "is_current": is_current}

    def texts(self, name: str) -> list[str]:
        """The texts of a list."""
        value = self.raw(name)
        items = value if isinstance(value, list) else [value]
        found = [clean(item) for item in items]
        if any(item and not text for item, text in zip(items, found, strict=True)):
            self.note(f"{name} has something that is not a text.")
        return [text for text in found if text]

    def record(self, name: str) -> "Record":
        """The object of that name; an empty one when there is none."""
        value = self.raw(name)
        if value and not isinstance(value, dict):
            self.note(f"{name} is not an object.")
        return Record(self._draft, name, None, value if isinstance(value, dict) else {})

    def records(self, name: str) -> list["Record"]:
        """The objects of a list, counted from 1."""
        value = self.raw(name)
        items = value if isinstance(value, list) else []
        if value and not items:
            self.note(f"{name} is not a list.")
        found = []
        for place, item in enumerate(items, start=1):
            if isinstance(item, dict):
                found.append(Record(self._draft, name, place, item))
            else:
                self._draft.note(name, place, "It is not an object.")
        return found

    def ignore(self, *names: str) -> None:
        """These values need no place in a resume."""
        for name in names:
            self._draft.used(self._file, name)


def joined(*texts: str | None, by: str = ", ") -> str:
    """The texts that there are, joined."""
    return by.join(text for text in texts if text)


def filled(entry: Mapping[str, Any]) -> Entry:
    """`entry` without what the source lacks, for keys of which a resume knows nothing."""
    return {name: value for name, value in entry.items() if value}


def bulleted(texts: Iterable[str]) -> str:
    """Texts as a list, a line each."""
    return "\n".join(f"- {text}" for text in texts)
