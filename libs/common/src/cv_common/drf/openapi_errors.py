"""The errors of OpenAPI's operations: every answer besides success, derived from the operation."""

from collections.abc import Collection
from typing import Any

from cv_common.drf.openapi_headers import answer_headers

Json = dict[str, Any]

_SELF = {"$ref": "#/components/schemas/FieldErrors"}
_MESSAGES = {"type": "array", "items": {"type": "string"}}
_SCHEMAS: Json = {
    "Detail": {
        "type": "object",
        "title": "Detail",
        "description": "What is wrong, in one sentence.",
        "properties": {"detail": {"type": "string"}},
        "required": ["detail"],
    },
    "FieldErrors": {
        "type": "object",
        "title": "FieldErrors",
        "description": "Messages by field; for a list of objects, one such object an entry; for what concerns no"
        " single field, under `non_field_errors`.",
        "additionalProperties": {
            "anyOf": [
                _MESSAGES,
                {"type": "array", "items": {"anyOf": [_SELF, _MESSAGES]}},
                _SELF,
            ]
        },
    },
    "AuthenticationError": {
        "type": "object",
        "title": "AuthenticationError",
        "description": "Why nobody is logged in. A token that is not valid says so by its `code`.",
        "properties": {
            "detail": {"type": "string"},
            "code": {
                "type": "string",
                "enum": ["token_not_valid", "bad_authorization_header", "user_not_found"],
            },
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


def _answer(description: str, schema: Json, headers: tuple[str, ...] = (), **examples: Json) -> Json:
    shown = {title.replace("_", " "): {"value": value} for title, value in examples.items()}
    answer = {"description": description, "content": {"application/json": {"schema": schema, "examples": shown}}}
    return answer | ({"headers": answer_headers(headers)} if headers else {})


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _bad_request() -> Json:
    return _answer(
        "Something that was sent cannot be taken.",
        {"anyOf": [_ref("Detail"), _ref("FieldErrors")]},
        Fields={"email": ["Enter a valid email address."]},
        No_JSON={"detail": "JSON parse error - Expecting value: line 1 column 1 (char 0)"},
    )


def _unauthorized() -> Json:
    return _answer(
        "The access token is missing where one is needed, or is not valid.",
        _ref("AuthenticationError"),
        ("WWW-Authenticate",),
        No_token={"detail": "Authentication credentials were not provided."},
        Bad_token={
            "detail": "Given token not valid for any token type",
            "code": "token_not_valid",
            "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid"}],
        },
        Erased_account={"detail": "User not found", "code": "user_not_found"},
    )


def _forbidden() -> Json:
    return _answer(
        "A write that counts by its cookie, from a page of an origin that is none of ours.",
        _ref("Detail"),
        Foreign_origin={
            "detail": "CSRF Failed: Origin checking failed - https://evil.example does not match any trusted origins."
        },
    )


def _not_found() -> Json:
    return _answer("It does not exist, or not for this caller.", _ref("Detail"), Not_found={"detail": "Not found."})


def _precondition_failed() -> Json:
    return _answer(
        "It has changed since the version named by `If-Match`; `current` is what it is now.",
        {
            "type": "object",
            "properties": {"detail": {"type": "string"}, "current": {"type": "object"}},
            "required": ["detail", "current"],
        },
        ("ETag",),
        Changed={"detail": "This CV has changed since the version you are working on.", "current": {"id": 1}},
    )


def _too_large() -> Json:
    return _answer(
        "The body is larger than is taken.", _ref("Detail"), Too_large={"detail": "The request is too large."}
    )


def _unsupported_media_type() -> Json:
    return _answer(
        "A body of a kind that is not read here.",
        _ref("Detail"),
        Plain_text={"detail": 'Unsupported media type "text/plain" in request.'},
    )


def _throttled() -> Json:
    return _answer(
        "Too many requests.",
        _ref("Detail"),
        ("Retry-After",),
        Throttled={"detail": "Request was throttled. Expected available in 42 seconds."},
    )


def _unavailable() -> Json:
    return _answer(
        "A part that this needs is down or full.",
        _ref("Detail"),
        ("Retry-After",),
        Unavailable={"detail": "Service temporarily unavailable, try again later."},
    )


def _timed_out() -> Json:
    return _answer(
        "A part that this needs did not answer in time.",
        _ref("Detail"),
        ("Retry-After",),
        Timed_out={"detail": "The service did not answer in time, try again later."},
    )


_RESPONSES = {
    "400": _bad_request,
    "401": _unauthorized,
    "403": _forbidden,
    "404": _not_found,
    "412": _precondition_failed,
    "413": _too_large,
    "415": _unsupported_media_type,
    "429": _throttled,
    "503": _unavailable,
    "504": _timed_out,
}


def schemas_of_errors(document: Json) -> Json:
    """The schemas that the answers of `add_errors` refer to; none for a document without operations."""
    return dict(_SCHEMAS) if document.get("paths") else {}


def add_errors(path: str, method: str, operation: Json, also: Collection[str], *, reads_body: bool) -> None:
    """Give an operation its error answers, with the schema that its route may have for one.

    `reads_body`: JSON or a form, with fields to be wrong; `also`: statuses that nothing else tells of.
    """
    responses = operation["responses"]
    for status in _statuses(path, method, operation, reads_body=reads_body) | (_RESPONSES.keys() & set(also)):
        answer = _RESPONSES[status]()
        if status in responses:
            answer["content"]["application/json"].update(responses[status]["content"]["application/json"])
        responses[status] = answer
    operation["responses"] = dict(sorted(responses.items()))


def _statuses(path: str, method: str, operation: Json, *, reads_body: bool) -> set[str]:
    """The statuses of errors that an operation can answer with."""
    sent = {parameter["name"] for parameter in operation.get("parameters", [])}
    schemes = {scheme for requirement in operation["security"] for scheme in requirement}
    possible = {
        "400": reads_body or "Stripe-Signature" in sent or "Idempotency-Key" in sent,
        "401": "accessToken" in schemes,
        "403": method not in ("get", "head") and (reads_body or bool(schemes)),
        "404": "{" in path,
        "412": "If-Match" in sent,
        "413": "requestBody" in operation,
        "415": reads_body,
    }
    return {"429", "503", "504"} | {status for status, is_possible in possible.items() if is_possible}
