"""Allowed origins: CORS headers, and the CSRF check of writes with a session cookie."""

import re

from cv_gateway.errors import UntrustedOrigin
from cv_gateway.request import Headers, Request
from cv_gateway.routing import SAFE_METHODS
from cv_gateway.settings import Settings

_VARY: Headers = [(b"vary", b"Origin")]
_EXPOSED_HEADERS = b"Accept-Ranges, Content-Range, ETag, Link, Location, Retry-After, X-Request-Id, X-Total-Count"
_ALLOWED_HEADERS = (
    b"Accept, Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Range, Range,"
    b" X-CSRFToken, X-Requested-With"
)
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-allow-headers", _ALLOWED_HEADERS),
    (b"access-control-max-age", b"86400"),
]
_LOCALHOST = re.compile(rb"http://(?:localhost|127\.0\.0\.1)(?::[0-9]{1,5})?")


class OriginPolicy:
    """Decides by the `Origin` header of a request."""

    def __init__(self, settings: Settings) -> None:
        self._scheme = b"https://" if settings.uses_https else b"http://"
        self._allowed = frozenset(origin.encode() for origin in settings.allowed_origins)
        self._allows_localhost = settings.cors_allow_localhost

    def cors_headers(self, request: Request) -> Headers:
        """Return the CORS headers of any response, errors included. The last one is `Vary`, for caches."""
        origin = request.headers.get(b"origin", b"")
        if not self._is_allowed(origin):
            return _VARY
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", _EXPOSED_HEADERS),
            *_VARY,
        ]

    def preflight_headers(self, request: Request) -> Headers | None:
        """Return the additional headers of a preflight response; None if the request is no preflight."""
        if request.method != "OPTIONS" or b"access-control-request-method" not in request.headers:
            return None
        return _PREFLIGHT if self._is_allowed(request.headers.get(b"origin", b"")) else []

    def check_write(self, request: Request) -> None:
        """Raise UntrustedOrigin for a write from an untrusted origin (CSRF).

        Call it for requests that are authenticated by a cookie: browsers attach it whatever page sends the request.
        Non-browser clients send no Origin and need no check.
        """
        if request.method not in SAFE_METHODS and (origin := self.untrusted_origin(request)) is not None:
            raise UntrustedOrigin(origin)

    def untrusted_origin(self, request: Request) -> str | None:
        """Return the untrusted origin of the page from which a browser sends the request; None if there is none."""
        origin = request.headers.get(b"origin")
        if origin is None:
            return "null" if request.headers.get(b"sec-fetch-site") == b"cross-site" else None
        if self._is_allowed(origin) or origin == self._scheme + request.headers[b"host"]:
            return None
        return origin.decode("latin-1")

    def _is_allowed(self, origin: bytes) -> bool:
        return origin in self._allowed or (self._allows_localhost and _LOCALHOST.fullmatch(origin) is not None)
