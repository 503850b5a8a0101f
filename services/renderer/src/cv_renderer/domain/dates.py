"""Dates as a CV shows them: month and year, in the document's language."""

import re

from pydantic import JsonValue

from cv_renderer.domain.documents import Document
from cv_renderer.domain.labels import Labels

_ISO_DATE = re.compile(r"(?P<year>\d{4})(-(?P<month>0[1-9]|1[0-2]))?(-\d{2})?")


def format_month(value: JsonValue, labels: Labels) -> str:
    """Return `2020-01-15` as `Jan 2020`. Returns other text as it is, and an empty string for null."""
    text = str(value or "").strip()
    date = _ISO_DATE.fullmatch(text)
    if date is None or date["month"] is None:
        return text
    return f"{labels.months[int(date['month']) - 1]} {date['year']}"


def format_period(entry: Document, labels: Labels) -> str:
    """Return the start and end of an entry: `Jan 2020 – Present`, or one date when both ends read the same."""
    start = format_month(entry.get("start_date"), labels)
    end = labels.present if entry.get("is_current") else format_month(entry.get("end_date"), labels)
    return " – ".join(dict.fromkeys(part for part in (start, end) if part))
