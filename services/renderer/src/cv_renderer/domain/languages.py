"""The language of a document: its labels, its locale and its direction, found by a BCP 47 tag."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from cv_renderer.domain.labels import LABELS, Labels

Direction: TypeAlias = Literal["ltr", "rtl"]


@dataclass(frozen=True, slots=True)
class Language:
    """What a language contributes to a document."""

    tag: str
    locale: Locale
    labels: Labels
    direction: Direction


@cache
def find_language(tag: str) -> Language:
    """Return the language of any well-formed tag. What is not known of it is English.

    The labels may be those of another language than the dates: Serbian has English labels and Serbian dates.
    """
    locale = _find_locale(tag)
    labels = next((LABELS[name] for name in _names(locale) if name in LABELS), LABELS["en"])
    return Language(tag, locale, labels, "rtl" if locale.text_direction == "rtl" else "ltr")


def direction_of(text: str) -> Direction | None:
    """Return the direction of the first letter of a text that has one; None for digits and punctuation alone."""
    for character in text:
        match unicodedata.bidirectional(character):
            case "L":
                return "ltr"
            case "R" | "AL":
                return "rtl"
    return None


def _find_locale(tag: str) -> Locale:
    """Return the locale of the longest part of `tag` that CLDR knows: variants and extensions are dropped."""
    subtags = tag.split("-")
    for length in range(len(subtags), 0, -1):
        try:
            return Locale.parse("-".join(subtags[:length]), sep="-")
        except (ValueError, UnknownLocaleError):
            continue
    return Locale("en")


def _names(locale: Locale) -> Iterator[str]:
    """Yield the tags that CLDR looks a locale up under: `pt-AO`, `pt-PT`, `pt`."""
    name, parents = str(locale), get_global("parent_exceptions")
    while name and name != "root":
        yield name.replace("_", "-")
        name = parents.get(name) or name.rpartition("_")[0]
