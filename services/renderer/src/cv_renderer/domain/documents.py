"""The content of a CV, whatever its fields are."""

from collections.abc import Mapping
from typing import TypeAlias

from pydantic import JsonValue

Document: TypeAlias = Mapping[str, JsonValue]

_HIDDEN_KEYS = frozenset({"id", "order"})
"""Keys of entries that no template prints."""


def clean_document(document: Document) -> dict[str, JsonValue]:
    """`document` without what does not show on a page: null, blank texts, ids, positions and entries without a text.

    Texts lose their surrounding white space. Templates read an absent field as empty.
    """
    return _clean_object(document)


def visible_text(text: str) -> str | None:
    """`text` without surrounding white space; None if no character of it is visible (zero-width spaces are not)."""
    stripped = text.strip()
    return stripped if any(character.isprintable() and character != " " for character in stripped) else None


def _clean(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return visible_text(value)
        case dict():
            return _clean_object(value)
        case list():
            return [item for item in map(_clean, value) if _is_visible(item)]
        case _:
            return value


def _clean_object(fields: Document) -> dict[str, JsonValue]:
    cleaned = {key: _clean(value) for key, value in fields.items() if key not in _HIDDEN_KEYS}
    return {key: value for key, value in cleaned.items() if value is not None}


def _is_visible(item: JsonValue) -> bool:
    return any(isinstance(value, str) for value in item.values()) if isinstance(item, dict) else item is not None
