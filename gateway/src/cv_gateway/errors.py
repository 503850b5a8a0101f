"""Errors that only the gateway raises; the others are in `cv_common.kernel.errors`."""

from cv_common.kernel.errors import ApiError, DetailError

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="api"'}


class InvalidAccessToken(ApiError):
    """401 for an access token that is forged, expired or of another type; the body of SimpleJWT."""

    status = 401

    def __init__(self, reason: str = "Token is invalid") -> None:
        message = {"token_class": "AccessToken", "token_type": "access", "message": reason}
        body = {"detail": "Given token not valid for any token type", "code": "token_not_valid", "messages": [message]}
        super().__init__(body, _CHALLENGE)


class MalformedAuthorization(ApiError):
    """401 for an `Authorization: Bearer` header without exactly one token; the body of SimpleJWT."""

    status = 401

    def __init__(self) -> None:
        body = {
            "detail": "Authorization header must contain two space-delimited values",
            "code": "bad_authorization_header",
        }
        super().__init__(body, _CHALLENGE)


class UntrustedOrigin(DetailError):
    """403 for a write with a session cookie from an untrusted origin; the message of Django."""

    status = 403

    def __init__(self, origin: str) -> None:
        super().__init__(f"CSRF Failed: Origin checking failed - {origin} does not match any trusted origins.")


class MethodNotAllowed(DetailError):
    """405."""

    status = 405

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f'Method "{method}" not allowed.', {"Allow": allowed})


class IncompleteBody(DetailError):
    """400 for a body that ended early or has invalid framing. The client has usually disconnected."""

    status = 400
    default_detail = "The request body is not complete."


class BodyTooSlow(DetailError):
    """408 for a body below the minimum rate."""

    status = 408
    default_detail = "The request body arrived too slowly."


class HeadersTooLarge(DetailError):
    """431."""

    status = 431
    default_detail = "The request headers are too large."


class Throttled(DetailError):
    """429 with the message of Django REST Framework."""

    status = 429

    def __init__(self, seconds: int) -> None:
        unit = "second" if seconds == 1 else "seconds"
        super().__init__(
            f"Request was throttled. Expected available in {seconds} {unit}.", {"Retry-After": str(seconds)}
        )


class GatewayTimeout(DetailError):
    """504: the service accepted the connection and did not answer in time."""

    status = 504

    def __init__(self) -> None:
        super().__init__("The service did not answer in time, try again later.", {"Retry-After": "5"})
