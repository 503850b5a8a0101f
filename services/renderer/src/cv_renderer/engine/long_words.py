"""Words that are longer than a line get break opportunities, as WeasyPrint breaks them in quadratic time without.

For every line that has no break opportunity soon after its end, WeasyPrint lays out all the rest of the text, so that
one word of 9,900 letters took seconds. The zero-width spaces do not show: they have no glyph, so no reader of the PDF
extracts them. Where letters are narrow or join, even that is too slow for many such words, so their sum is limited.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import Element

from weasyprint.text.line_break import get_log_attrs

from cv_renderer.engine.errors import Refused

_LONG_TEXT = 400
"""Characters. Shorter texts are left as they are: their length bounds the time."""
_LONGEST_WORD = 60
"""Characters without a break opportunity: less than a line has in any template."""
_WORD_PART = 10
"""Characters between two new break opportunities: what a line lacks at most to be full."""
_UNREADABLE_WORD = 400
"""Characters from which a word is no word of any language, but pasted data."""
_MOST_UNREADABLE = 20_000
"""Characters of a document in such words: they take about a second to lay out, and twice as many four."""
_WITHOUT_SPACE = re.compile(rf"[^ \t\n]{{{_LONGEST_WORD + 1}}}")
_ZERO_WIDTH_SPACE = "\u200b"


def make_long_words_breakable(root: Element, language: str) -> None:
    """Insert zero-width spaces into the long words of the long texts below `root`.

    Raises Refused when too much of the document is in words that nobody can read.
    """
    unreadable = 0
    for element in root.iter():
        for name in ("text", "tail"):
            text: str | None = getattr(element, name)
            if text is None or len(text) <= _LONG_TEXT or not _WITHOUT_SPACE.search(text):
                continue
            attributes = get_log_attrs(text, language)
            words = _words(text, attributes)
            unreadable += sum(end - begin for begin, end in words if end - begin > _UNREADABLE_WORD)
            if unreadable > _MOST_UNREADABLE:
                raise Refused("The document has words that are too long to be printed.")
            setattr(element, name, _ZERO_WIDTH_SPACE.join(_parts(text, words, attributes)))


def _words(text: str, attributes: Any) -> list[tuple[int, int]]:
    """Begin and end of what lies between two break opportunities of a text."""
    breaks = [at for at in range(1, len(text)) if attributes[at].is_line_break]
    return list(pairwise([0, *breaks, len(text)]))


def _parts(text: str, words: list[tuple[int, int]], attributes: Any) -> Iterator[str]:
    """The parts of a text that end at new break opportunities: never within a character of several code points."""
    start = 0
    for begin, end in words:
        if end - begin <= _LONGEST_WORD:
            continue
        last = begin
        for at in range(begin + 1, end):
            if at - last >= _WORD_PART and attributes[at].is_cursor_position:
                yield text[start:at]
                start = last = at
    yield text[start:]
