"""Merging the services' OpenAPI documents into one, so that no name means two things."""

import copy
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_REFERENCE = re.compile(r"#/components/(\w+)/([\w.-]+)")
_FASTAPI_ONLY = ("HTTPValidationError", "ValidationError")
_VERBS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_INFO = {
    "title": "CV Builder",
    "version": "1.0.0",
    "description": """CVs as data, exported as PDF. Anonymous at first, kept in an account later.

- Bodies are JSON, or the same fields as a form; fields that are unknown or read-only are ignored.
- Timestamps are `YYYY-MM-DDTHH:MM:SSZ` (UTC), dates `YYYY-MM-DD`.
- What is wrong is told as `{"field": ["message"]}`, all fields at once, or as `{"detail": "message"}`.
- Beside the errors of each operation any may answer 405 to another method, 408 to a body that comes too slowly,
  and 431 to headers that are too large, each with a `detail`.""",
}
_TAGS = {
    "auth": "Accounts: registration, login, tokens, profile, password.",
    "templates": "What a CV can look like.",
    "resumes": "CVs, of an account or of an anonymous session; somebody else's are not found. PDFs and imports.",
    "payments": "One CV at a time, or by subscription. Stripe takes the money.",
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
        "description": "Set when an anonymous visitor first creates something.",
    },
}


def merge(documents: dict[str, Json], base_url: str) -> Json:
    """One document of several services' documents, by service name, as served from `base_url`."""
    cleaned = {service: _without_422(document) for service, document in documents.items()}
    ambiguous = _ambiguous_components(cleaned)
    operations = Counter(
        operation["operationId"] for document in cleaned.values() for operation in _operations(document)
    )
    merged: Json = {
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": base_url}],
        "tags": [_tag(service) for service, document in cleaned.items() if document.get("paths")],
        "paths": {},
        "components": {"securitySchemes": dict(_SECURITY_SCHEMES)},
    }
    for service, document in cleaned.items():
        for operation in _operations(document):
            operation.setdefault("tags", [service])
            if operations[operation["operationId"]] > 1:
                operation["operationId"] = f"{service}_{operation['operationId']}"
        _add(merged, _renamed(document, service, ambiguous))
    return merged


def _tag(service: str) -> Json:
    return {"name": service} | ({"description": _TAGS[service]} if service in _TAGS else {})


def _add(merged: Json, document: Json) -> None:
    twice = merged["paths"].keys() & document.get("paths", {}).keys()
    if twice:
        raise ValueError(f"two services serve {sorted(twice)}")
    merged["paths"].update(document.get("paths", {}))
    for kind, components in document.get("components", {}).items():
        merged["components"].setdefault(kind, {}).update(components)


def _without_422(document: Json) -> Json:
    """A copy without FastAPI's validation error, which no service ever sends."""
    document = copy.deepcopy(document)
    for operation in _operations(document):
        operation.get("responses", {}).pop("422", None)
    for name in _FASTAPI_ONLY:
        document.get("components", {}).get("schemas", {}).pop(name, None)
    return document


def _operations(document: Json) -> Iterator[Json]:
    for item in document.get("paths", {}).values():
        yield from (operation for verb, operation in item.items() if verb in _VERBS)


def _ambiguous_components(documents: dict[str, Json]) -> set[tuple[str, str]]:
    """(kind, name) of every component that two services define differently, or by something that differs."""
    defined: dict[tuple[str, str], list[Json]] = {}
    for document in documents.values():
        for kind, components in document.get("components", {}).items():
            for name, definition in components.items():
                defined.setdefault((kind, name), []).append(definition)
    shared = {key: definitions for key, definitions in defined.items() if len(definitions) > 1}
    ambiguous = {key for key, (first, *rest) in shared.items() if any(other != first for other in rest)}
    while True:
        reached = {key for key, definitions in shared.items() if ambiguous & _references(definitions[0])} - ambiguous
        if not reached:
            return ambiguous
        ambiguous |= reached


def _renamed(document: Json, service: str, ambiguous: set[tuple[str, str]]) -> Json:
    """The document with every ambiguous component's name prefixed with its service's."""

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


def _references(definition: Json) -> set[tuple[str, str]]:
    return set(_REFERENCE.findall(json.dumps(definition)))
