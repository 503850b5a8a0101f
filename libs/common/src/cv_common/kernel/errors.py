"""Errors that know their HTTP status and their body, in Django REST Framework's shapes.

Field errors are `{"field": ["message"]}`; everything else is `{"detail": "message"}`. Any code may raise one;
`cv_common.drf.exception_handlers` turns it into the answer, so no route needs a try.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

Found = TypeVar("Found")


class ApiError(Exception):
    """An answer other than success: `status`, JSON `body`, extra `headers`."""

    status = 500

    def __init__(self, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body)
        self.body = body
        self.headers = dict(headers or {})


class DetailError(ApiError):
    """An error whose whole body is one sentence."""

    default_detail = "A server error occurred."

    def __init__(self, detail: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__({"detail": detail or self.default_detail}, headers)


class ValidationFailed(ApiError):
    """400 with field errors: `{"field": ["message"], "section": [{}, {"field": [...]}]}`."""

    status = 400

    @classmethod
    def on(cls, field: str, message: str) -> "ValidationFailed":
        """One message on one field."""
        return cls({field: [message]})


class BadRequest(DetailError):
    """400: the request as a whole cannot be taken."""

    status = 400
    default_detail = "Bad request."


class NotAuthenticated(DetailError):
    """401: somebody must log in first."""

    status = 401
    default_detail = "Authentication credentials were not provided."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, {"WWW-Authenticate": 'Bearer realm="api"'})


class TokenInvalid(ApiError):
    """401 for a refresh token that is bad, expired, ended or of another type."""

    status = 401

    def __init__(self) -> None:
        super().__init__(
            {"detail": "Token is invalid", "code": "token_not_valid"}, {"WWW-Authenticate": 'Bearer realm="api"'}
        )


class UserNotFound(ApiError):
    """401 for an access token that is still valid while its account was erased."""

    status = 401

    def __init__(self) -> None:
        super().__init__(
            {"detail": "User not found", "code": "user_not_found"}, {"WWW-Authenticate": 'Bearer realm="api"'}
        )


class NotFound(DetailError):
    """404: it does not exist, or not for this caller."""

    status = 404
    default_detail = "Not found."


def or_404(found: Found | None) -> Found:
    """Return `found`. Raises NotFound if it is None."""
    if found is None:
        raise NotFound
    return found


class PreconditionFailed(ApiError):
    """412: it changed since the version that the request was made against."""

    status = 412


class PayloadTooLarge(DetailError):
    """413: more than is taken."""

    status = 413
    default_detail = "The request is too large."


class UnsupportedMediaType(DetailError):
    """415: a body of a kind that nobody here reads."""

    status = 415

    def __init__(self, media_type: str) -> None:
        super().__init__(f'Unsupported media type "{media_type}" in request.')


class RangeNotSatisfiable(DetailError):
    """416: the file has none of the bytes that were asked for. The headers say how many it has."""

    status = 416
    default_detail = "The requested range is not satisfiable."

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(None, headers)


class ServiceUnavailable(DetailError):
    """503: a part this answer needs is down or full; the caller may try again after `retry_after` seconds."""

    status = 503
    default_detail = "Service temporarily unavailable, try again later."

    def __init__(self, detail: str | None = None, retry_after: int = 2) -> None:
        super().__init__(detail, {"Retry-After": str(retry_after)})
