"""Dates as a CV shows them: as precise as the person knows them, in the form of the document's language (CLDR)."""

import re
from datetime import date
from functools import cache

from babel import Locale
from babel.dates import format_date as format_babel_date
from babel.dates import format_skeleton
from pydantic import JsonValue

from cv_renderer.domain.documents import Document
from cv_renderer.domain.languages import Language

_ISO_DATE = re.compile(r"(?P<year>[0-9]{4})-(?P<month>0[1-9]|1[0-2])(-(?P<day>[0-9]{2}))?")
_ZEROS = {"arab": "\u0660", "arabext": "\u06f0", "beng": "\u09e6", "deva": "\u0966", "mymr": "\u1040"}
"""The digit zero of the numbering systems that a language of CLDR uses by default and a font has the digits of."""


def format_month(value: JsonValue, language: Language) -> str:
    """Return `2020-01-15` as `Jan 2020`. Returns other text as it is, and an empty string for null."""
    return format_date(value, "month", language)


def format_date(value: JsonValue, precision: JsonValue, language: Language) -> str:
    """Return a date as `15 Jan 2020`, `Jan 2020`, `2020` or an empty string: precision day, month, year or unknown.

    Other text than a date is returned as it is; an unfit precision counts as `month`.
    """
    text = str(value or "").strip()
    found = _ISO_DATE.fullmatch(text)
    if precision == "unknown" or found is None or found["year"] == "0000":
        return "" if precision == "unknown" else text
    year, month, locale = int(found["year"]), int(found["month"]), language.locale
    if precision == "day" and (day := _valid_date(text)):
        shown = format_babel_date(day, "medium", locale=locale)
    else:
        shown = format_skeleton("y" if precision == "year" else "yMMM", date(year, month, 1), locale=locale)
    return shown.translate(_digits(locale))


def format_period(entry: Document, language: Language) -> str:
    """Return the start and end of an entry: `Jan 2020 – Present`, or one date when both ends read the same."""
    labels, precision = language.labels, entry.get("start_date_precision")
    start = format_date(entry.get("start_date"), precision, language)
    if start and entry.get("is_current") and precision == "year" and labels.since:
        return labels.since.format(start=start)
    end = format_date(entry.get("end_date"), entry.get("end_date_precision"), language)
    end = labels.present if entry.get("is_current") else end
    return labels.period.format(start=start, end=end) if start and end and start != end else start or end


def _valid_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@cache
def _digits(locale: Locale) -> dict[int, int]:
    """Return the replacements of the digits 0 to 9 by those of the locale."""
    zero = _ZEROS.get(locale.default_numbering_system, "0")
    return {ord("0") + digit: ord(zero) + digit for digit in range(10)}
