"""Dates as people and exports write them: a day, a month or a year, in many languages."""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache

from babel import Locale

_LOCALES = (
    "en", "fr", "de", "es", "it", "pt", "nl", "pl", "cs", "sv", "da", "nb", "ro", "tr", "ru", "uk", "el",
    "hu", "fi", "id", "ms", "fil", "hi", "ar", "he", "fa",
)  # fmt: skip
"""The languages that LinkedIn exports in, and some more."""
_FURTHER_MONTHS = {"sept": 9, "juil": 7, "mrz": 3, "mär": 3}
_ONGOING = frozenset(
    {
        "present", "current", "now", "today", "ongoing", "until now", "to date", "aujourd'hui", "aujourd’hui",
        "présent", "actuel", "à ce jour", "en cours", "heute", "gegenwärtig", "bis heute", "actualidad",
        "presente", "actual", "hasta la fecha", "oggi", "attuale", "atual", "até o momento", "heden",
        "obecnie", "teraz", "dosud", "současnost", "nu", "idag", "nå", "i dag", "prezent", "günümüz",
        "şu anda", "настоящее время", "по настоящее время", "сейчас", "дотепер", "σήμερα", "jelenleg",
        "nykyinen", "sekarang", "hiện tại", "ปัจจุบัน", "वर्तमान", "至今", "現在", "现在", "현재", "الآن", "حتى الآن",
        "الحاضر", "היום", "כיום",
    }
)  # fmt: skip
"""Texts in place of an end, in lower case, that mean that a period lasts."""
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ]\d.*", re.DOTALL)
_ISO = re.compile(r"(?P<year>\d{4})[-/.年](?P<month>\d{1,2})月?(?:[-/.]?(?P<day>\d{1,2})日?)?")
_MONTH_YEAR = re.compile(r"(?P<month>\d{1,2})[-/.](?P<year>\d{4})")
_YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")
_CHARACTERS = {"day": 10, "month": 7, "year": 4}
_PARTS = re.compile(r"\d+|[^\W\d_]+(?:['’][^\W\d_]+)?")


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date as `YYYY-MM-DD`, and how much of it is known: `day`, `month` or `year`. The rest is the first."""

    date: str
    precision: str

    @property
    def text(self) -> str:
        """The known part of the date."""
        return self.date[: _CHARACTERS[self.precision]]

    def may_precede(self, other: "PartialDate") -> bool:
        """Return whether this date may be before the other one or equal it, as far as both are known."""
        characters = min(len(self.text), len(other.text))
        return self.date[:characters] <= other.date[:characters]


def is_ongoing(text: str) -> bool:
    """Return whether a text in place of an end means that it lasts: `Present`, `aujourd'hui`, `至今`."""
    return text.casefold().strip(" .") in _ONGOING


def parse_date(text: str) -> PartialDate | None:
    """Read `2020-01-15`, `Mar 2024`, `févr. 2019`, `05/2019`, `2010-00-00`, `2021`, … None if it is no date."""
    text = _TIMESTAMP.sub(r"\1", text).strip()
    if found := _ISO.fullmatch(text):
        return _partial(int(found["year"]), int(found["month"]), int(found["day"] or 0))
    if found := _MONTH_YEAR.fullmatch(text):
        return _partial(int(found["year"]), int(found["month"]), 0)
    years = _YEAR.findall(text)
    if len(years) != 1:
        return None
    parts = [part.casefold() for part in _PARTS.findall(text) if part != years[0]]
    months = [month for part in parts if (month := _months().get(part))]
    days = [int(part) for part in parts if part.isdecimal()]
    if len(months) != 1 or len(days) > 1:
        return _partial(int(years[0]), 0, 0) if not parts else None
    return _partial(int(years[0]), months[0], days[0] if days else 0)


def _partial(year: int, month: int, day: int) -> PartialDate | None:
    """Return the date; zeros are unknown parts. None if it does not exist."""
    precision = "year" if month == 0 else "month" if day == 0 else "day"
    try:
        return PartialDate(date(year, month or 1, day or 1).isoformat(), precision)
    except ValueError:
        return None


@cache
def _months() -> dict[str, int]:
    """Return the number of each month by its names and abbreviations, in lower case and without full stops."""
    names: dict[str, int] = {}
    for code in _LOCALES:
        for context in Locale(code).months.values():
            for width in ("wide", "abbreviated"):
                for number, name in context[width].items():
                    names.setdefault(name.casefold().strip(". "), number)
    return {name: number for name, number in names.items() if not name.isdecimal()} | _FURTHER_MONTHS
