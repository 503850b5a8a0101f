"""Insert break opportunities into words that are longer than a line, because WeasyPrint breaks them in quadratic time.

For every line without a break opportunity soon after its end, WeasyPrint lays out all the rest of the text: one word
of 9,900 letters takes seconds. Zero-width spaces are invisible and, having no glyph, are not extracted from the PDF.
Narrow or joining letters remain slow even so, which is why the total length of such words is limited.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import Element

from weasyprint.text.line_break import get_log_attrs

from cv_renderer.engine.errors import JobRejected

_LONGEST_WORD = 50
"""Characters without a break opportunity. In lists, WeasyPrint lets longer words leave the page."""
_WORD_PART = 10
"""Characters between two inserted break opportunities, and so the most that a line falls short."""
_DATA_WORD = 400
"""Characters above which a word is pasted data rather than a word of a language."""
_MAX_DATA_CHARACTERS = 20_000
"""Characters of a document in such words. This many take about a second to lay out, twice as many take four."""
_WITHOUT_SPACE = re.compile(rf"[^ \t\n]{{{_LONGEST_WORD + 1}}}")
_ZERO_WIDTH_SPACE = "\u200b"


def break_long_words(root: Element, language: str) -> None:
    """Insert zero-width spaces into the long words of the long texts below `root`.

    Raises JobRejected when the words that are pasted data are too long in total.
    """
    data_characters = 0
    for element in root.iter():
        for name in ("text", "tail"):
            text: str | None = getattr(element, name)
            if text is None or len(text) <= _LONGEST_WORD or not _WITHOUT_SPACE.search(text):
                continue
            attributes = get_log_attrs(text, language)
            words = _words(text, attributes)
            data_characters += sum(end - start for start, end in words if end - start > _DATA_WORD)
            if data_characters > _MAX_DATA_CHARACTERS:
                raise JobRejected("The document has words that are too long to be printed.")
            setattr(element, name, _ZERO_WIDTH_SPACE.join(_split(text, words, attributes)))


def _words(text: str, attributes: Any) -> list[tuple[int, int]]:
    """Return start and end of each piece of text between two break opportunities."""
    breaks = [index for index in range(1, len(text)) if attributes[index].is_line_break]
    return list(pairwise([0, *breaks, len(text)]))


def _split(text: str, words: list[tuple[int, int]], attributes: Any) -> Iterator[str]:
    """Split a text at the new break opportunities, never within a character of several code points."""
    part_start = 0
    for start, end in words:
        if end - start <= _LONGEST_WORD:
            continue
        last_break = start
        for index in range(start + 1, end):
            if index - last_break >= _WORD_PART and attributes[index].is_cursor_position:
                yield text[part_start:index]
                part_start = last_break = index
    yield text[part_start:]
