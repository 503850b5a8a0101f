"""Exceptions with an HTTP status and a body as Django REST Framework (DRF) has them.

The body of field errors is `{"field": ["message"]}`, of all others `{"detail": "message"}`. Any code may raise them;
`cv_common.drf.exception_handlers` turns them into responses, so no route needs a `try`.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

Found = TypeVar("Found")


class ApiError(Exception):
    """An error response: `status`, JSON `body` and additional `headers`."""

    status = 500

    def __init__(self, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body)
        self.body = body
        self.headers = dict(headers or {})


class DetailError(ApiError):
    """An error with the body `{"detail": "One sentence."}`."""

    default_detail = "A server error occurred."

    def __init__(self, detail: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__({"detail": detail or self.default_detail}, headers)


class ValidationFailed(ApiError):
    """400 with field errors: `{"field": ["message"], "section": [{}, {"field": [...]}]}`."""

    status = 400

    @classmethod
    def on(cls, field: str, message: str) -> "ValidationFailed":
        """Return an error with one message for one field."""
        return cls({field: [message]})


class BadRequest(DetailError):
    """400: the request as a whole is invalid."""

    status = 400
    default_detail = "Bad request."


class NotAuthenticated(DetailError):
    """401: the request needs a logged-in user."""

    status = 401
    default_detail = "Authentication credentials were not provided."
    code: str | None = None

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, {"WWW-Authenticate": 'Bearer realm="api"'})
        self.body |= {"code": self.code} if self.code else {}


class TokenInvalid(NotAuthenticated):
    """401: the refresh token is malformed, expired, revoked, or of another type."""

    default_detail, code = "Token is invalid", "token_not_valid"


class UserNotFound(NotAuthenticated):
    """401: the access token is valid, but its account was deleted."""

    default_detail, code = "User not found", "user_not_found"


class NotFound(DetailError):
    """404: the object does not exist, or the caller may not see it."""

    status = 404
    default_detail = "Not found."


def or_404(found: Found | None) -> Found:
    """Return `found`. Raises NotFound if it is None."""
    if found is None:
        raise NotFound
    return found


class PreconditionFailed(ApiError):
    """412: the object is not in the version that `If-Match` names."""

    status = 412


class PayloadTooLarge(DetailError):
    """413: the request body is too large."""

    status = 413
    default_detail = "The request is too large."


class UnsupportedMediaType(DetailError):
    """415: the endpoint does not accept the media type of the body."""

    status = 415

    def __init__(self, media_type: str) -> None:
        super().__init__(f'Unsupported media type "{media_type}" in request.')


class RangeNotSatisfiable(DetailError):
    """416: the file has none of the requested bytes. `Content-Range` in `headers` says how many it has."""

    status = 416
    default_detail = "The requested range is not satisfiable."


class ServiceUnavailable(DetailError):
    """503: a dependency is down or overloaded. The client may retry after `retry_after` seconds."""

    status = 503
    default_detail = "Service temporarily unavailable, try again later."

    def __init__(self, detail: str | None = None, retry_after: int = 2) -> None:
        super().__init__(detail, {"Retry-After": str(retry_after)})
