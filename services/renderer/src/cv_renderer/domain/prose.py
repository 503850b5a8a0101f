"""Free text of a CV, as people type and paste it: paragraphs and nested lists.

Word and other programs leave bullets of their own in pasted text, and web pages leave HTML. Both become lists here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

MAX_LEVELS = 6
"""The deepest level of nested lists. Deeper items are printed at this level."""

_SUBORDINATE = "o§▪◦○‣\uf0a7\uf076"
"""Bullets that Word uses below the first level, also without indentation."""
_BULLET = re.compile(
    r"""
    (?P<indent>[ \t\u3000]*)
    (?:
        (?P<loose>[-–—*·§])[ \t\u00a0]+                       # common characters, which need a space
        | (?P<word>o)(?:\t|[ \u00a0]{2,})                      # Word's second level
        | (?P<tight>[•‣▪▫◦●○■□◆◇▶►▸➢➤➔➜✓✔✗✘❖\uf000-\uf0ff])[ \t\u00a0]*  # characters that are bullets alone
    )
    (?=\S)
    """,
    re.VERBOSE,
)
_TIGHT_DASH = re.compile(r"(?P<indent>[ \t]*)(?P<loose>[-–])(?=[^\W\d_])")
"""A dash without a space. It is a bullet if more than one line begins so."""
_NUMBER = re.compile(r"(?P<indent>[ \t]*)(?P<number>\d{1,2}|[a-z])(?P<mark>[.)])[ \t\u00a0]+(?=\S)")
"""The number of a list item, if the next or the previous item has the next or the previous number."""
_HTML = re.compile(r"\s*<(p|div|ul|ol|span|section|h[1-6])\b[^<>]*>.*</\1>", re.IGNORECASE | re.DOTALL)
_LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


@dataclass(slots=True)
class Item:
    """An item of a list: its text, with its number if the list is numbered, and the lists below it."""

    text: str
    below: "list[Block]" = field(default_factory=list)


@dataclass(slots=True)
class Block:
    """The lines of a paragraph, or the items of a list."""

    lines: list[str] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    is_numbered: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    indent: int = 0
    marker: str = ""
    """A subordinate bullet, `•` for any other bullet, `1` for a number, or nothing for a line of a paragraph."""


def parse_blocks(text: str | None) -> list[Block]:
    """Split a text into paragraphs and lists. An empty line ends a paragraph."""
    blocks: list[Block] = []
    levels: list[tuple[_Line, Block]] = []
    """The list of each level that is open, and the first line of it."""
    after_empty_line = True
    for line in _lines(_without_html(text or "")):
        if line is None:
            after_empty_line = True
            continue
        if line.marker:
            _add_item(blocks, levels, line)
        else:
            levels.clear()
            if after_empty_line or not blocks or blocks[-1].items:
                blocks.append(Block())
            blocks[-1].lines.append(line.text)
        after_empty_line = False
    return blocks


def _add_item(blocks: list[Block], levels: list[tuple[_Line, Block]], line: _Line) -> None:
    """Add an item to the open list that it continues, else to a new list below the last item, else to a new block."""
    beside = [depth for depth, (first, _) in enumerate(levels) if _is_beside(line, first)]
    if beside:
        del levels[beside[-1] + 1 :]
    else:
        while levels and not _is_below(line, levels[-1][0]):
            levels.pop()
        if len(levels) < MAX_LEVELS:
            block = Block(is_numbered=line.marker == "1")
            (levels[-1][1].items[-1].below if levels else blocks).append(block)
            levels.append((line, block))
    levels[-1][1].items.append(Item(line.text))


def _is_beside(line: _Line, other: _Line) -> bool:
    return line.indent == other.indent and line.marker == other.marker


def _is_below(line: _Line, other: _Line) -> bool:
    if line.indent != other.indent:
        return line.indent > other.indent
    return line.marker != other.marker and line.marker in _SUBORDINATE


def _lines(text: str) -> Iterator[_Line | None]:
    """Yield the lines, and None for empty ones."""
    lines = text.splitlines()
    has_tight_dashes = sum(_TIGHT_DASH.match(line) is not None for line in lines) > 1
    numbers = [_NUMBER.match(line) for line in lines]
    for index, line in enumerate(lines):
        if not line.strip():
            yield None
        elif found := _BULLET.match(line) or (_TIGHT_DASH.match(line) if has_tight_dashes else None):
            marker = next(value for name, value in found.groupdict().items() if value and name != "indent")
            kind = marker if marker in _SUBORDINATE else "•"
            yield _Line(line[found.end() :].strip(), _width(found["indent"]), kind)
        elif (number := numbers[index]) and _is_counted(numbers, index):
            yield _Line(line.strip(), _width(number["indent"]), "1")
        else:
            yield _Line(line.strip())


def _is_counted(numbers: list[re.Match[str] | None], index: int) -> bool:
    """Return whether another line counts on from this one, or up to it, in the same way: `1. Mai` alone is a date."""
    this = numbers[index]
    assert this is not None
    near = (each for each in numbers[max(index - 20, 0) : index + 21] if each and each["mark"] == this["mark"])
    return any(abs(_value(each["number"]) - _value(this["number"])) == 1 for each in near)


def _value(number: str) -> int:
    return int(number) if number.isdigit() else -ord(number)


def _width(indent: str) -> int:
    return len(indent.expandtabs(4))


def _without_html(text: str) -> str:
    """Return text that is wholly HTML as lines with bullets and Markdown. Other text may have tags in it."""
    if not _HTML.match(text) and len(_LINE_BREAK.findall(text)) < 2:
        return text
    reader = _HtmlReader()
    reader.feed(text)
    reader.close()
    return "".join(reader.parts)


class _HtmlReader(HTMLParser):
    """Turns HTML into text with `- ` for list items, `**` for bold and `*` for italics."""

    _BLOCKS = frozenset({"p", "div", "ul", "ol", "section", "h1", "h2", "h3", "h4", "h5", "h6", "tr"})
    _MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*"}  # noqa: RUF012 - HTMLParser has no place for a type

    _KNOWN = _BLOCKS | _MARKS.keys() | {"span", "a", "u", "font", "table", "tbody", "td", "th"}

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - HTMLParser sends them
        if tag == "li":
            self.parts.append("\n" + "  " * min(self._depth, MAX_LEVELS) + "- ")
        elif tag == "br":
            self.parts.append("\n")
        elif tag in self._KNOWN:
            self._mark(tag)
        else:
            self.parts.append(self.get_starttag_text() or "")  # `List<T>` is no markup
        self._depth += tag in ("ul", "ol")

    def handle_endtag(self, tag: str) -> None:
        self._depth = max(self._depth - (tag in ("ul", "ol")), 0)
        if tag in self._KNOWN:
            self._mark(tag)
        elif tag not in ("li", "br"):
            self.parts.append(f"</{tag}>")

    def _mark(self, tag: str) -> None:
        is_block = tag in self._BLOCKS and not (tag in ("p", "div") and self._depth)
        self.parts.append("\n\n" if is_block and not self._depth else self._MARKS.get(tag, ""))

    def handle_data(self, data: str) -> None:
        self.parts.append(re.sub(r"\s+", " ", data))
