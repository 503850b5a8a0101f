"""Texts as they are kept: in Unicode normal form, and without what a database or a page cannot take."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby, islice
from typing import Literal

MAX_MARKS = 30
"""Most combining marks in a row, as in Unicode's Stream-Safe Text Format: no script comes near it.

Normalising takes a time that grows with the square of their number.
"""
MAX_SHRINK = 4
"""To how many characters one normalised character can come apart: a text that is so much too long stays too long."""

_SURROGATE = re.compile("[\ud800-\udfff]")
# What follows has only variation selectors, which no normal form moves.
_MARKS = frozenset(mark for code in range(0x300, 0x20000) if unicodedata.category(mark := chr(code)).startswith("M"))


def normalized(text: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """`text` in a normal form; as it is when it has too many marks in a row, which is a fault."""
    return text if _has_excess_marks(text) else unicodedata.normalize(form, text)


def text_errors(text: str) -> Iterator[str]:
    """Why `text` cannot be kept."""
    if "\x00" in text:
        yield "Null characters are not allowed."
    if found := _SURROGATE.search(text):
        yield f"Surrogate characters are not allowed: U+{ord(found.group()):X}."
    if _has_excess_marks(text):
        yield f"Ensure this text has no more than {MAX_MARKS} combining characters in a row."


def strip_excess_marks(text: str) -> str:
    """`text` without the marks that are too many in a row."""
    if not _has_excess_marks(text):
        return text
    runs = groupby(text, _MARKS.__contains__)
    return "".join("".join(islice(run, MAX_MARKS if is_mark else None)) for is_mark, run in runs)


def _has_excess_marks(text: str) -> bool:
    """Are there more than `MAX_MARKS` marks in a row?"""
    if text.isascii() or _MARKS.isdisjoint(text):
        return False
    return any(is_mark and len(list(run)) > MAX_MARKS for is_mark, run in groupby(text, _MARKS.__contains__))
