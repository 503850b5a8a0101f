"""Responses: the headers of every response (request id, CORS, security), and the gateway's own responses."""

import orjson
from cv_common.kernel.errors import ApiError

from cv_gateway.origins import OriginPolicy
from cv_gateway.request import Headers, Request
from cv_gateway.settings import Settings

_NOSNIFF = (b"x-content-type-options", b"nosniff")
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_API_HEADERS: Headers = [
    _NOSNIFF,
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_MEDIA_HEADERS: Headers = [
    _NOSNIFF,
    (b"referrer-policy", b"no-referrer"),
    # Frontends on other origins show thumbnails, photos and PDFs, the PDFs in a frame.
    (b"cross-origin-resource-policy", b"cross-origin"),
]


class ResponseWriter:
    """Finalizes the headers of all responses and sends the gateway's own."""

    def __init__(self, settings: Settings) -> None:
        self._origins = OriginPolicy(settings)
        hsts = [_HSTS] if settings.uses_https else []
        self._api_headers, self._media_headers = _API_HEADERS + hsts, _MEDIA_HEADERS + hsts

    def finalize(self, request: Request, headers: Headers, *, is_media: bool = False) -> Headers:
        """Return `headers` and those of every response. Given headers win, except that `Vary` is joined."""
        given = {name for name, _ in headers}
        defaults = self._media_headers if is_media else self._api_headers
        final = [*headers, *(pair for pair in defaults if pair[0] not in given)]
        final.append((b"x-request-id", request.id.encode()))
        if b"vary" not in given:
            return final + self._origins.cors_headers(request)
        *cors, (_, origin) = self._origins.cors_headers(request)
        vary = b", ".join([*(value for name, value in headers if name == b"vary"), origin])
        return [*(pair for pair in final if pair[0] != b"vary"), *cors, (b"vary", vary)]

    async def send(self, request: Request, status: int, headers: Headers, body: bytes) -> None:
        if status != 204:
            headers = [*headers, (b"content-length", str(len(body)).encode())]
        final = self.finalize(request, headers)
        await request.send({"type": "http.response.start", "status": status, "headers": final})
        await request.send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})

    async def send_error(self, request: Request, error: ApiError) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
        headers.append((b"content-type", b"application/json"))
        await self.send(request, error.status, headers, orjson.dumps(error.body))
