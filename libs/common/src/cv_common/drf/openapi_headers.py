"""Parameters and response headers in the OpenAPI document that no signature declares, by name."""

from typing import Any

Json = dict[str, Any]

EXAMPLE_IDEMPOTENCY_KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"

_TEXT: Json = {"type": "string"}
_TAG: Json = {"type": "string", "examples": ['"3"']}

_PARAMETERS: Json = {
    "Stripe-Signature": {  # required, but a request without it is answered with 400 like one with another signature
        "in": "header",
        "required": True,
        "description": "Stripe's signature of the body: a time and an HMAC.",
        "schema": _TEXT,
    },
    "limit": {
        "in": "query",
        "description": "The number of items on a page, at most 100. Without it, or with 0, the list has all items.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "offset": {
        "in": "query",
        "description": "With `limit`: the number of items to skip.",
        "schema": {"type": "integer", "minimum": 0, "default": 0},
    },
}

_RESPONSE_HEADERS: Json = {
    "Cache-Control": {"description": "Which caches may store the response, and for how long.", "schema": _TEXT},
    "ETag": {"description": "The version of the object in the response.", "schema": _TAG},
    "Link": {"description": "With `limit`: links to the next and the previous page (RFC 8288).", "schema": _TEXT},
    "Retry-After": {"description": "Seconds before the next attempt.", "schema": {"type": "integer", "minimum": 0}},
    "Set-Cookie": {
        "description": "Starts, renews or ends the anonymous session: `sessionid=…; HttpOnly`. A second cookie, "
        "`sessionid_…`, serves to merge the sessions of two concurrent first requests.",
        "schema": _TEXT,
    },
    "WWW-Authenticate": {
        "description": "The authentication scheme.",
        "schema": {"type": "string", "examples": ['Bearer realm="api"']},
    },
    "X-Total-Count": {"description": "The number of items on all pages.", "schema": {"type": "integer", "minimum": 0}},
}


def describe_parameters(names: tuple[str, ...]) -> list[Json]:
    """Return the OpenAPI parameters with these names."""
    return [{"name": name, **_PARAMETERS[name]} for name in names]


def describe_headers(names: tuple[str, ...]) -> Json:
    """Return the OpenAPI response headers with these names."""
    return {name: _RESPONSE_HEADERS[name] for name in names}
