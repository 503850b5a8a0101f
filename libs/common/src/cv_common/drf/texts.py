"""Unicode normalization of texts, and checks for characters that the database or a PDF cannot hold."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby, islice
from typing import Literal

MAX_MARKS = 30
"""The maximum of consecutive combining marks, as in Unicode's Stream-Safe Text Format. No script needs as many.

Normalization takes a time that grows with the square of their number.
"""
MAX_SHRINK = 4
"""The largest number of characters that normalization composes into one."""

_SURROGATE = re.compile("[\ud800-\udfff]")
# Above this range there are only variation selectors, which normalization does not reorder.
_MARKS = frozenset(mark for code in range(0x300, 0x20000) if unicodedata.category(mark := chr(code)).startswith("M"))


def normalized(text: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """Return `text` in a normal form. Returns it unchanged if it has too many consecutive marks: it is invalid."""
    return text if _has_excess_marks(text) else unicodedata.normalize(form, text)


def text_errors(text: str) -> Iterator[str]:
    """Yield the errors of a text that cannot be stored."""
    if "\x00" in text:
        yield "Null characters are not allowed."
    if found := _SURROGATE.search(text):
        yield f"Surrogate characters are not allowed: U+{ord(found.group()):X}."
    if _has_excess_marks(text):
        yield f"Ensure this text has no more than {MAX_MARKS} combining characters in a row."


def strip_excess_marks(text: str) -> str:
    """Return `text` without the consecutive marks above the maximum."""
    if not _has_excess_marks(text):
        return text
    runs = groupby(text, _MARKS.__contains__)
    return "".join("".join(islice(run, MAX_MARKS if is_mark else None)) for is_mark, run in runs)


def _has_excess_marks(text: str) -> bool:
    if text.isascii() or _MARKS.isdisjoint(text):
        return False
    return any(is_mark and len(list(run)) > MAX_MARKS for is_mark, run in groupby(text, _MARKS.__contains__))
