"""Set the direction of text that differs from its surroundings: an English job title in an Arabic CV, and vice versa.

WeasyPrint implements neither `dir="auto"` nor `unicode-bidi`. It applies the bidirectional algorithm within each piece
of text, and places the pieces in the order of their element's direction. So an element with a direction is isolated.
"""

import re
from xml.etree.ElementTree import Element

from cv_renderer.domain.languages import Direction, direction_of

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]")
_SEPARATORS = " \t\n\r\u00a0,،、·–—"
"""Characters that belong to the surroundings of a text if they are before or after it."""
_INLINE = frozenset({"a", "b", "em", "i", "span", "strong"})


def set_directions(root: Element, direction: Direction) -> None:
    """Set `dir` on the elements of a document, whose own direction is `direction`, that have the other direction.

    Paragraphs and list items without a class are prose, which reads in the direction of its first letter. Any other
    text is a value, which keeps its place in the layout.
    """
    body = root.find("body")
    if body is not None and (direction == "rtl" or any(map(_RIGHT_TO_LEFT.search, body.itertext()))):
        _visit(body, direction, in_prose=False)


def _visit(parent: Element, direction: Direction, *, in_prose: bool) -> None:
    for element in list(parent):
        is_prose, own = _is_prose(element), direction
        if is_prose or _is_value(element):
            own = direction_of("".join(element.itertext())) or _default_direction(element, direction)
        if own != direction:
            element.set("dir", own)
        _visit(element, own, in_prose=in_prose or is_prose)
    if not in_prose:
        _isolate_texts(parent, direction)


def _is_prose(element: Element) -> bool:
    return element.tag in ("p", "li") and "class" not in element.attrib


def _is_value(element: Element) -> bool:
    """Return whether an element is a part of a line and has one text without separators, such as a link."""
    text = element.text or ""
    return element.tag in _INLINE and not len(element) and text == text.strip(_SEPARATORS)


def _default_direction(element: Element, direction: Direction) -> Direction:
    """Return the direction of an element without letters. Phone numbers, which are links, read left to right."""
    return "ltr" if element.tag == "a" else direction


def _isolate_texts(parent: Element, direction: Direction) -> None:
    """Move each text between the children of `parent` that has the other direction into an element of its own."""
    for index, child in reversed([*enumerate(parent, start=1)]):
        if isolated := _isolate(child.tail, direction):
            child.tail, element = isolated
            parent.insert(index, element)
    if isolated := _isolate(parent.text, direction):
        parent.text, element = isolated
        parent.insert(0, element)


def _isolate(text: str | None, direction: Direction) -> tuple[str, Element] | None:
    """Return the separators before a text, and an element with the text; None if the text can stay where it is."""
    own = direction_of(text or "")
    if not text or own is None or own == direction:
        return None
    start = len(text) - len(text.lstrip(_SEPARATORS))
    end = len(text.rstrip(_SEPARATORS))
    element = Element("span", dir=own)
    element.text, element.tail = text[start:end], text[end:]
    return text[:start], element
