"""Free text of a CV: what people type as lists becomes lists, and lines stay lines."""

import re
from dataclasses import dataclass, field

_BULLET = re.compile(r"^\s*[-–—*•‣▪◦·]\s+(?=\S)")


def visible(text: str | None) -> str | None:
    """`text` without white space around it; None when nothing of it shows on a page, such as spaces of no width."""
    shown = (text or "").strip()
    return shown if any(character.isprintable() and character != " " for character in shown) else None


@dataclass(slots=True)
class Block:
    """A run of lines of one kind: the items of a list, or the lines of a paragraph."""

    is_list: bool
    lines: list[str] = field(default_factory=list)


def blocks_of(text: str | None) -> list[Block]:
    """The blocks of a text: an empty line ends a paragraph, a leading `-`, `*` or `•` makes a list item."""
    blocks: list[Block] = []
    ended = True
    for line in (text or "").splitlines():
        content = line.strip()
        if not content:
            ended = True
            continue
        is_item = _BULLET.match(line) is not None
        goes_on = blocks and blocks[-1].is_list == is_item and (is_item or not ended)
        if not goes_on:
            blocks.append(Block(is_list=is_item))
        blocks[-1].lines.append(_BULLET.sub("", line).strip())
        ended = False
    return blocks
