"""Free text of a CV: lines that look like list items become lists, other lines become paragraphs."""

import re
from dataclasses import dataclass, field

_BULLET = re.compile(r"^\s*[-–—*•‣▪◦·]\s+(?=\S)")


@dataclass(slots=True)
class Block:
    """The items of a list, or the lines of a paragraph."""

    is_list: bool
    lines: list[str] = field(default_factory=list)


def parse_blocks(text: str | None) -> list[Block]:
    """Split a text into blocks: an empty line ends a paragraph; a leading `-`, `*` or `•` makes a list item."""
    blocks: list[Block] = []
    after_empty_line = True
    for line in (text or "").splitlines():
        content = line.strip()
        if not content:
            after_empty_line = True
            continue
        is_item = _BULLET.match(line) is not None
        continues_block = blocks and blocks[-1].is_list == is_item and (is_item or not after_empty_line)
        if not continues_block:
            blocks.append(Block(is_list=is_item))
        blocks[-1].lines.append(_BULLET.sub("", line).strip())
        after_empty_line = False
    return blocks
