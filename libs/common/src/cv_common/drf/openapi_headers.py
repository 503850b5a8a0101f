"""The headers and the query of OpenAPI's operations, by name."""

from typing import Any

Json = dict[str, Any]

EXAMPLE_IDEMPOTENCY_KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


def _header(description: str, schema: Json) -> Json:
    return {"in": "header", "description": description, "schema": schema}


_TEXT: Json = {"type": "string"}
_TAG: Json = {"type": "string", "examples": ['"3"']}

_PARAMETERS: Json = {
    "Accept-Language": _header("The language that is preferred, `fr` or `en`.", {"type": "string", "examples": ["fr"]}),
    "Idempotency-Key": _header(
        "A key of one's own, so that a request sent twice takes effect once.",
        {"type": "string", "maxLength": 255, "examples": [EXAMPLE_IDEMPOTENCY_KEY]},
    ),
    "If-Match": _header("The `ETag` of the version that the request is made against; 412 if it is another now.", _TAG),
    "If-None-Match": _header("The `ETag` of the version that is known already; 304 if it still holds.", _TAG),
    "Stripe-Signature": {
        **_header("Stripe's proof that the body is its own: a time and an HMAC.", _TEXT),
        "required": True,
    },
    "limit": {
        "in": "query",
        "description": "How many to list, 100 at most. Without it, or with 0: all.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "offset": {
        "in": "query",
        "description": "With `limit`: how many to leave out first.",
        "schema": {"type": "integer", "minimum": 0, "default": 0},
    },
}

_ANSWERED: Json = {
    "Cache-Control": {"description": "Who may keep the answer, and for how long.", "schema": _TEXT},
    "ETag": {"description": "The version of what is answered.", "schema": _TAG},
    "Link": {"description": "With `limit`: the next and the previous page (RFC 8288).", "schema": _TEXT},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
    "Set-Cookie": {
        "description": "The anonymous session, where one begins, goes on or ends: `sessionid=…; HttpOnly`; beside it "
        "`sessionid_…`, by which the sessions of two first requests at once are found and made one.",
        "schema": _TEXT,
    },
    "WWW-Authenticate": {
        "description": "How to say who one is.",
        "schema": {"type": "string", "examples": ['Bearer realm="api"']},
    },
    "X-Total-Count": {
        "description": "How many there are, whatever is listed of them.",
        "schema": {"type": "integer", "minimum": 0},
    },
}


def parameters(names: tuple[str, ...]) -> list[Json]:
    """OpenAPI's parameters of these names."""
    return [{"name": name, **_PARAMETERS[name]} for name in names]


def answer_headers(names: tuple[str, ...]) -> Json:
    """OpenAPI's headers of an answer, of these names."""
    return {name: _ANSWERED[name] for name in names}
