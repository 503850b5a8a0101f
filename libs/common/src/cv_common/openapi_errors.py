"""The errors of OpenAPI's operations: every answer besides success, derived from the operation."""

from typing import Any

Json = dict[str, Any]

_DETAIL = {"$ref": "#/components/schemas/Detail"}
_FIELD_ERRORS = {"$ref": "#/components/schemas/FieldErrors"}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}

SCHEMAS: Json = {
    "Detail": {
        "type": "object",
        "description": "What is wrong, in one sentence.",
        "properties": {"detail": {"type": "string"}, "code": {"type": "string"}},
        "required": ["detail"],
    },
    "FieldErrors": {
        "type": "object",
        "description": "Messages by field; for a list of objects, one such object an entry; for what concerns no"
        " single field, under `non_field_errors`.",
        "additionalProperties": {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}},
                {"type": "array", "items": {"type": ["object", "array"]}},
                {"type": "object"},
            ]
        },
    },
}


def _answer(description: str, schema: Json, example: Any, headers: Json | None = None) -> Json:
    content = {"application/json": {"schema": schema, "example": example}}
    return {"description": description, "content": content} | ({"headers": headers} if headers else {})


RESPONSES: Json = {
    "BadRequest": _answer(
        "Something that was sent cannot be taken.",
        {"anyOf": [_DETAIL, _FIELD_ERRORS]},
        {"email": ["Enter a valid email address."]},
    ),
    "Unauthorized": _answer(
        "The access token is missing where one is needed, or is not valid.",
        _DETAIL,
        {"detail": "Authentication credentials were not provided."},
        {"WWW-Authenticate": {"schema": {"type": "string"}}},
    ),
    "Forbidden": _answer(
        "A write with a cookie, from an origin that is none of ours.",
        _DETAIL,
        {"detail": "CSRF Failed: Origin checking failed - https://evil.example does not match any trusted origins."},
    ),
    "NotFound": _answer("It does not exist, or not for this caller.", _DETAIL, {"detail": "Not found."}),
    "PreconditionFailed": _answer(
        "It has changed since the version named by `If-Match`; `current` is what it is now.",
        _DETAIL,
        {"detail": "This CV has changed since the version you are working on.", "current": {"id": 1}},
        {"ETag": {"schema": {"type": "string"}}},
    ),
    "TooLarge": _answer("The body is larger than is taken.", _DETAIL, {"detail": "The request is too large."}),
    "UnsupportedMediaType": _answer(
        "A body of a kind that is not read here.",
        _DETAIL,
        {"detail": 'Unsupported media type "text/plain" in request.'},
    ),
    "Throttled": _answer(
        "Too many requests.",
        _DETAIL,
        {"detail": "Request was throttled. Expected available in 42 seconds."},
        _RETRY_AFTER,
    ),
    "Unavailable": _answer(
        "A part that this needs is down or full.",
        _DETAIL,
        {"detail": "Service temporarily unavailable, try again later."},
        _RETRY_AFTER,
    ),
    "TimedOut": _answer("A part that this needs did not answer in time.", _DETAIL, {"detail": "Try again later."}),
}

_ALWAYS = {"401": "Unauthorized", "429": "Throttled", "503": "Unavailable", "504": "TimedOut"}
_WITH_BODY = {"400": "BadRequest", "413": "TooLarge", "415": "UnsupportedMediaType"}


def add_errors(document: Json) -> None:
    """Give every operation its error answers, and the document what they refer to."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(SCHEMAS)
    components.setdefault("responses", {}).update(RESPONSES)
    for path, operations in document.get("paths", {}).items():
        for method, operation in operations.items():
            for status, name in _errors(path, method, operation).items():
                operation["responses"].setdefault(status, {"$ref": f"#/components/responses/{name}"})


def _errors(path: str, method: str, operation: Json) -> dict[str, str]:
    """Status -> name of the answer, for one operation."""
    headers = {parameter["name"] for parameter in operation.get("parameters", [])}
    return (
        _ALWAYS
        | (_WITH_BODY if "requestBody" in operation else {})
        | ({"403": "Forbidden"} if method not in ("get", "head") else {})
        | ({"404": "NotFound"} if "{" in path else {})
        | ({"412": "PreconditionFailed"} if "If-Match" in headers else {})
    )
