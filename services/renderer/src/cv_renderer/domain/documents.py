"""The content of a CV, whatever its fields are."""

from collections.abc import Mapping
from typing import TypeAlias

from pydantic import JsonValue

Document: TypeAlias = Mapping[str, JsonValue]


def clean_document(document: Document) -> dict[str, JsonValue]:
    """Return `document` without what does not show on a page: null, blank texts, and entries without a text.

    Texts lose their surrounding white space. Templates read an absent field as empty.
    """
    cleaned = {key: _clean(value) for key, value in document.items()}
    return {key: value for key, value in cleaned.items() if value is not None}


def _clean(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return _visible_text(value)
        case dict():
            return clean_document(value)
        case list():
            return [item for item in map(_clean, value) if _is_visible(item)]
        case _:
            return value


def _visible_text(text: str) -> str | None:
    """Return `text` without surrounding white space; None if no character is visible, such as a zero-width space."""
    stripped = text.strip()
    return stripped if any(character.isprintable() and character != " " for character in stripped) else None


def _is_visible(item: JsonValue) -> bool:
    return any(isinstance(value, str) for value in item.values()) if isinstance(item, dict) else item is not None
