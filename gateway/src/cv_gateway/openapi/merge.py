"""Merges the OpenAPI documents of the services; components with one name and different content are renamed."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]

_REFERENCE = re.compile(r"#/components/(\w+)/([\w.-]+)")
_INFO = {
    "title": "CV Builder",
    "version": "1.0.0",
    "description": """CVs as data, exported as PDF. A CV can be created anonymously and claimed by an account later.

- Bodies are JSON, or the same fields as a form; unknown and read-only fields are ignored.
- Timestamps are `YYYY-MM-DDTHH:MM:SSZ` (UTC), dates `YYYY-MM-DD`.
- Errors are `{"field": ["message"]}` with all invalid fields, or `{"detail": "message"}`.
- In addition to its own errors, every operation may answer 405 to another method, 408 to a body below the minimum
  rate, and 431 to headers that are too large, each with a `detail`.""",
}
_SECURITY_SCHEMES = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access` token of `POST /api/auth/login/`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "Set when an anonymous client first creates something.",
    },
}


def merge(documents: Mapping[str, Json], descriptions: Mapping[str, str], base_url: str) -> Json:
    """Merge documents and descriptions of services, both by service name, into one document for `base_url`.

    Raises ValueError if two services have the same path.
    """
    ambiguous = _ambiguous_components(documents.values())
    operation_ids = Counter(
        operation["operationId"] for document in documents.values() for operation in _operations(document)
    )
    merged: Json = {
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": base_url}],
        "tags": [{"name": name, "description": descriptions[name]} for name in documents if documents[name]["paths"]],
        "paths": {},
        "components": {"securitySchemes": dict(_SECURITY_SCHEMES)},
    }
    for service, document in documents.items():
        renamed = _rename_components(document, service, ambiguous)
        for operation in _operations(renamed):
            operation.setdefault("tags", [service])
            if operation_ids[operation["operationId"]] > 1:
                operation["operationId"] = f"{service}_{operation['operationId']}"
        _add(merged, renamed)
    return merged


def _add(merged: Json, document: Json) -> None:
    duplicates = merged["paths"].keys() & document["paths"].keys()
    if duplicates:
        raise ValueError(f"two services have the paths {sorted(duplicates)}")
    merged["paths"].update(document["paths"])
    for kind, components in document.get("components", {}).items():
        merged["components"].setdefault(kind, {}).update(components)


def _operations(document: Json) -> Iterator[Json]:
    for item in document["paths"].values():
        yield from item.values()


def _ambiguous_components(documents: Iterable[Json]) -> set[tuple[str, str]]:
    """Return (kind, name) of the components that differ between services, themselves or in what they refer to."""
    definitions: dict[tuple[str, str], list[Json]] = {}
    for document in documents:
        for kind, components in document.get("components", {}).items():
            for name, definition in components.items():
                definitions.setdefault((kind, name), []).append(definition)
    shared = {key: group for key, group in definitions.items() if len(group) > 1}
    ambiguous = {key for key, (first, *rest) in shared.items() if any(other != first for other in rest)}
    while True:
        referring = {
            key for key, (first, *_) in shared.items() if ambiguous.intersection(_REFERENCE.findall(json.dumps(first)))
        }
        if referring <= ambiguous:
            return ambiguous
        ambiguous |= referring


def _rename_components(document: Json, service: str, ambiguous: set[tuple[str, str]]) -> Json:
    """Return a copy of the document, with the name of the service before the name of every ambiguous component."""

    def new_name(kind: str, name: str) -> str:
        return f"{service.capitalize()}{name}" if (kind, name) in ambiguous else name

    def new_reference(match: re.Match[str]) -> str:
        kind, name = match.groups()
        return f"#/components/{kind}/{new_name(kind, name)}"

    renamed: Json = json.loads(_REFERENCE.sub(new_reference, json.dumps(document)))
    renamed["components"] = {
        kind: {new_name(kind, name): definition for name, definition in components.items()}
        for kind, components in renamed.get("components", {}).items()
    }
    return renamed
