"""Which pages in a browser may do what: CORS answers, and the origin check on writes with a session cookie."""

from cv_gateway.errors import RefusedOrigin
from cv_gateway.request import Headers, Request
from cv_gateway.routing import READING
from cv_gateway.settings import Settings

_VARY: Headers = [(b"vary", b"Origin")]
_EXPOSED = b"Accept-Ranges, Content-Range, ETag, Link, Location, Retry-After, X-Request-Id, X-Total-Count"
_TAKEN = (
    b"Accept, Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Range, Range,"
    b" X-CSRFToken, X-Requested-With"
)
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-allow-headers", _TAKEN),
    (b"access-control-max-age", b"86400"),
]


class Origins:
    """The allow list of origins, and what follows from it."""

    def __init__(self, settings: Settings) -> None:
        self._scheme = b"https://" if settings.https else b"http://"
        self._allowed = {origin.encode(): _allowed_headers(origin.encode()) for origin in settings.origins}

    def headers(self, request: Request) -> Headers:
        """CORS headers of any answer, refusals too. Ends with `Vary`, so that no cache mixes origins up."""
        return self._allowed.get(request.headers.get(b"origin", b""), _VARY)

    def preflight(self, request: Request) -> Headers | None:
        """The headers that answer a preflight; None if the request is none. A strange origin is told nothing."""
        if request.method != "OPTIONS" or b"access-control-request-method" not in request.headers:
            return None
        return _PREFLIGHT if request.headers.get(b"origin", b"") in self._allowed else []

    def check_write(self, request: Request) -> None:
        """Raise RefusedOrigin for a write that a browser sends from a page that is none of ours.

        For requests that count because of their cookie: a browser adds it whatever page asks. A client that is no
        browser sends no origin, and is nobody's victim.
        """
        if request.method not in READING and (origin := self._foreign_origin(request)) is not None:
            raise RefusedOrigin(origin)

    def is_foreign(self, request: Request) -> bool:
        """Does a browser send a request from a page that is none of ours? Such a page may start no session: the
        new cookie would replace the one that the browser has, but did not send."""
        return self._foreign_origin(request) is not None

    def _foreign_origin(self, request: Request) -> str | None:
        origin = request.headers.get(b"origin")
        if origin is None:
            return "null" if request.headers.get(b"sec-fetch-site") == b"cross-site" else None
        if origin in self._allowed or origin == self._scheme + request.headers[b"host"]:
            return None
        return origin.decode("latin-1")


def _allowed_headers(origin: bytes) -> Headers:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", _EXPOSED),
        *_VARY,
    ]
