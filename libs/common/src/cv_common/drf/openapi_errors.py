"""Error responses in the OpenAPI document, derived from each operation."""

from collections.abc import Collection
from copy import deepcopy
from typing import Any

from cv_common.drf.openapi_headers import describe_headers

Json = dict[str, Any]

_SELF = {"$ref": "#/components/schemas/FieldErrors"}
_MESSAGES = {"type": "array", "items": {"type": "string"}}
_SCHEMAS: Json = {
    "Detail": {
        "type": "object",
        "title": "Detail",
        "description": "The error, in one sentence.",
        "properties": {"detail": {"type": "string"}},
        "required": ["detail"],
    },
    "FieldErrors": {
        "type": "object",
        "title": "FieldErrors",
        "description": "Messages by field. The errors of a list are a list with one object for each entry. Errors that"
        " concern several fields are under `non_field_errors`.",
        "additionalProperties": {
            "anyOf": [_MESSAGES, {"type": "array", "items": {"anyOf": [_SELF, _MESSAGES]}}, _SELF]
        },
    },
    "AuthenticationError": {
        "type": "object",
        "title": "AuthenticationError",
        "description": "Why authentication failed. The error of an invalid token has a `code`.",
        "properties": {
            "detail": {"type": "string"},
            "code": {"type": "string", "enum": ["token_not_valid", "bad_authorization_header", "user_not_found"]},
            "messages": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {name: {"type": "string"} for name in ("token_class", "token_type", "message")},
                    "required": ["token_class", "token_type", "message"],
                },
            },
        },
        "required": ["detail"],
    },
}


def _response(description: str, schema: Json, headers: tuple[str, ...] = (), **examples: Json) -> Json:
    titled = {title.replace("_", " "): {"value": value} for title, value in examples.items()}
    response = {"description": description, "content": {"application/json": {"schema": schema, "examples": titled}}}
    return response | ({"headers": describe_headers(headers)} if headers else {})


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_RESPONSES: dict[str, Json] = {
    "400": _response(
        "The request is invalid.",
        {"anyOf": [_ref("Detail"), _ref("FieldErrors")]},
        Fields={"email": ["Enter a valid email address."]},
        No_JSON={"detail": "JSON parse error - Expecting value: line 1 column 1 (char 0)"},
    ),
    "401": _response(
        "The access token is missing or invalid.",
        _ref("AuthenticationError"),
        ("WWW-Authenticate",),
        No_token={"detail": "Authentication credentials were not provided."},
        Bad_token={
            "detail": "Given token not valid for any token type",
            "code": "token_not_valid",
            "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid"}],
        },
        Erased_account={"detail": "User not found", "code": "user_not_found"},
    ),
    "403": _response(
        "A write with the session cookie comes from a page of an origin that is not allowed.",
        _ref("Detail"),
        Foreign_origin={
            "detail": "CSRF Failed: Origin checking failed - https://evil.example does not match any trusted origins."
        },
    ),
    "404": _response(
        "The object does not exist, or belongs to another owner.", _ref("Detail"), Not_found={"detail": "Not found."}
    ),
    "412": _response(
        "The object is not in the version that `If-Match` names. `current` is its present state.",
        {
            "type": "object",
            "properties": {"detail": {"type": "string"}, "current": {"type": "object"}},
            "required": ["detail", "current"],
        },
        ("ETag",),
        Changed={"detail": "This CV has changed since the version you are working on.", "current": {"id": 1}},
    ),
    "413": _response(
        "The request body is too large.", _ref("Detail"), Too_large={"detail": "The request is too large."}
    ),
    "415": _response(
        "The endpoint does not accept the media type of the body.",
        _ref("Detail"),
        Plain_text={"detail": 'Unsupported media type "text/plain" in request.'},
    ),
    "429": _response(
        "Too many requests.",
        _ref("Detail"),
        ("Retry-After",),
        Throttled={"detail": "Request was throttled. Expected available in 42 seconds."},
    ),
    "503": _response(
        "A dependency is down or overloaded.",
        _ref("Detail"),
        ("Retry-After",),
        Unavailable={"detail": "Service temporarily unavailable, try again later."},
    ),
    "504": _response(
        "A dependency did not answer in time.",
        _ref("Detail"),
        ("Retry-After",),
        Timed_out={"detail": "The service did not answer in time, try again later."},
    ),
}


def error_schemas(document: Json) -> Json:
    """Return the schemas to which the responses of `add_errors` refer. Empty for a document without operations."""
    return dict(_SCHEMAS) if document.get("paths") else {}


def add_errors(path: str, method: str, operation: Json, extra_statuses: Collection[str], *, reads_body: bool) -> None:
    """Add error responses to an operation. Keeps the schema that its route has for a status.

    `reads_body`: whether it reads JSON or a form with fields; `extra_statuses`: further statuses, from the examples.
    """
    responses = operation["responses"]
    for status in _statuses(path, method, operation, reads_body=reads_body) | (_RESPONSES.keys() & set(extra_statuses)):
        response = deepcopy(_RESPONSES[status])
        if status in responses:
            response["content"]["application/json"].update(responses[status]["content"]["application/json"])
        responses[status] = response
    operation["responses"] = dict(sorted(responses.items()))


def _statuses(path: str, method: str, operation: Json, *, reads_body: bool) -> set[str]:
    """Return the error statuses that follow from the operation."""
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    schemes = {scheme for requirement in operation["security"] for scheme in requirement}
    possible = {
        "400": reads_body or "Stripe-Signature" in names or "Idempotency-Key" in names,
        "401": "accessToken" in schemes,
        "403": method not in ("get", "head") and (reads_body or bool(schemes)),
        "404": "{" in path,
        "412": "If-Match" in names,
        "413": "requestBody" in operation,
        "415": reads_body,
    }
    return {"429", "503", "504"} | {status for status, is_possible in possible.items() if is_possible}
