"""Dates as a CV shows them: month and year, in the document's language."""

import re
from collections.abc import Mapping
from typing import Any

from cv_renderer.domain.labels import Labels

_ISO = re.compile(r"(?P<year>\d{4})(-(?P<month>0[1-9]|1[0-2]))?(-\d{2})?")


def month_and_year(value: str | None, labels: Labels) -> str:
    """`2020-01-15` as `Jan 2020`, `2020` as it is; text of another form stays what it is, nothing becomes ``."""
    text = (value or "").strip()
    found = _ISO.fullmatch(text)
    if found is None or found["month"] is None:
        return text
    return f"{labels.months[int(found['month']) - 1]} {found['year']}"


def period(entry: Mapping[str, Any], labels: Labels) -> str:
    """From when to when an entry lasted: `Jan 2020 – Present`, or one date when both ends show the same."""
    start = month_and_year(entry.get("start_date"), labels)
    end = labels.present if entry.get("is_current") else month_and_year(entry.get("end_date"), labels)
    return " – ".join(dict.fromkeys(part for part in (start, end) if part))
