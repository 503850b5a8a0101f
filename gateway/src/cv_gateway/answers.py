"""What every answer carries, whoever wrote it: request id, CORS, security headers."""

import orjson
from cv_common.kernel.errors import ApiError

from cv_gateway.origins import Origins
from cv_gateway.request import Headers, Request
from cv_gateway.settings import Settings

_NOSNIFF = (b"x-content-type-options", b"nosniff")
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_API: Headers = [
    _NOSNIFF,
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_MEDIA: Headers = [
    _NOSNIFF,
    (b"referrer-policy", b"no-referrer"),
    # A frontend on another origin shows thumbnails, photos and PDFs, the last ones in a frame.
    (b"cross-origin-resource-policy", b"cross-origin"),
]


class Answers:
    """Completes the headers of answers, and sends the gateway's own ones."""

    def __init__(self, settings: Settings, origins: Origins) -> None:
        self._origins = origins
        hsts = [_HSTS] if settings.https else []
        self._api, self._media = _API + hsts, _MEDIA + hsts

    def complete(self, request: Request, headers: Headers, *, media: bool = False) -> Headers:
        """`headers` and what every answer carries. What the answer says itself is kept, but `Vary` is joined."""
        said = {name for name, _ in headers}
        added = self._media if media else self._api
        completed = [*headers, *(pair for pair in added if pair[0] not in said)]
        completed.append((b"x-request-id", request.id.encode()))
        if b"vary" in said:
            completed = [pair for pair in completed if pair[0] != b"vary"]
            others = b", ".join(value for name, value in headers if name == b"vary")
            *cors, (_, origin) = self._origins.headers(request)
            return [*completed, *cors, (b"vary", others + b", " + origin)]
        return completed + self._origins.headers(request)

    async def send(self, request: Request, status: int, headers: Headers, body: bytes) -> None:
        """Send an answer of the gateway's own."""
        if status != 204:
            headers = [*headers, (b"content-length", str(len(body)).encode())]
        completed = self.complete(request, headers)
        await request.send({"type": "http.response.start", "status": status, "headers": completed})
        await request.send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})

    async def refuse(self, request: Request, refusal: ApiError) -> None:
        """Send an error in the contract's shape."""
        headers = [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
        headers.append((b"content-type", b"application/json"))
        await self.send(request, refusal.status, headers, orjson.dumps(refusal.body))
