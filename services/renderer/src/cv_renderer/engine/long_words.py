"""Words that are longer than a line get break opportunities, as WeasyPrint breaks them in quadratic time without.

For every line that has no break opportunity soon after its end, WeasyPrint lays out all the rest of the text, so that
one word of 9,900 letters took seconds. The zero-width spaces do not show: they have no glyph, so no reader of the PDF
extracts them.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from xml.etree.ElementTree import Element

from weasyprint.text.line_break import get_log_attrs

_LONG_TEXT = 400
"""Characters. Shorter texts are left as they are: their length bounds the time."""
_LONGEST_WORD = 60
"""Characters without a break opportunity: less than a line has in any template."""
_WORD_PART = 10
"""Characters between two new break opportunities: what a line lacks at most to be full."""
_WITHOUT_SPACE = re.compile(rf"[^ \t\n]{{{_LONGEST_WORD + 1}}}")
_ZERO_WIDTH_SPACE = "\u200b"


def make_long_words_breakable(root: Element, language: str) -> None:
    """Insert zero-width spaces into the long words of the long texts below `root`."""
    for element in root.iter():
        element.text = _breakable(element.text, language)
        element.tail = _breakable(element.tail, language)


def _breakable(text: str | None, language: str) -> str | None:
    if text is None or len(text) <= _LONG_TEXT or not _WITHOUT_SPACE.search(text):
        return text
    return _ZERO_WIDTH_SPACE.join(_parts(text, language))


def _parts(text: str, language: str) -> Iterator[str]:
    """The parts of a text that end at new break opportunities: never within a character of several code points."""
    attributes = get_log_attrs(text, language)
    breaks = [at for at in range(1, len(text)) if attributes[at].is_line_break]
    start = 0
    for begin, end in pairwise([0, *breaks, len(text)]):
        if end - begin <= _LONGEST_WORD:
            continue
        last = begin
        for at in range(begin + 1, end):
            if at - last >= _WORD_PART and attributes[at].is_cursor_position:
                yield text[start:at]
                start = last = at
    yield text[start:]
