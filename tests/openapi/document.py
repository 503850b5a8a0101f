"""Iterates over an OpenAPI document."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """Yield the name of each operation, such as `GET /api/…/`, and the operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def media(document: Json) -> Iterator[tuple[str, Json]]:
    """Yield the place and the media type object of each JSON request and response."""
    for name, operation in operations(document):
        parts = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for place, part in parts.items():
            if "content" in part:
                yield f"{name} {place}", part["content"]["application/json"]


def examples(media_type: Json) -> list[Any]:
    """Return the values of a media type's examples."""
    return [example["value"] for example in media_type.get("examples", {}).values()]
