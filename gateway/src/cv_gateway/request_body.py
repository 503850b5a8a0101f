"""Request bodies: buffered when small, streamed when large, within limits of size and rate."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import starlette.requests
from cv_common.drf.body import read_data
from cv_common.kernel.errors import ApiError, BadRequest, PayloadTooLarge
from starlette.types import Message

from cv_gateway.admission import MinimumRate
from cv_gateway.errors import BodyTooSlow, IncompleteBody
from cv_gateway.request import Request
from cv_gateway.routing import Route
from cv_gateway.settings import Settings
from cv_gateway.upstream_client import Payload

_MAX_DRAIN_SECONDS = 2


class IncomingBody:
    """Reads the body of one request. Raises PayloadTooLarge if the announced length exceeds the limit."""

    def __init__(self, request: Request, route: Route, settings: Settings) -> None:
        self._request = request
        self._minimum_rate = MinimumRate(settings.body_grace, settings.body_rate)
        self._limit, self._buffer_limit = _size_limit(request, route), route.buffer_limit
        self._received = 0
        self.content_length = _content_length(request)
        self.max_size = self._limit if self.content_length is None else self.content_length
        """Bytes that may come: the announced length, or the limit of a chunked body."""
        self.stream_error: type[ApiError] | None = None
        """The error that ended the stream: the HTTP client only reports that sending stopped."""
        if self.content_length is not None and self.content_length > self._limit:
            raise PayloadTooLarge

    async def read(self) -> Payload:
        """Return None without a body, bytes up to the buffer limit, else a stream.

        Raises PayloadTooLarge, BodyTooSlow or IncompleteBody; so does the stream.
        """
        if not self._request.has_unread_body:
            return None
        chunks: list[bytes] = []
        while self._request.has_unread_body and self._received < self._buffer_limit:
            chunks.append(await self._read_chunk())
        buffered = b"".join(chunks)
        return self._stream(buffered) if self._request.has_unread_body else buffered

    async def _stream(self, buffered: bytes) -> AsyncIterator[bytes]:
        yield buffered
        try:
            while self._request.has_unread_body:
                yield await self._read_chunk()
        except ApiError as error:
            self.stream_error = type(error)
            raise

    async def _read_chunk(self) -> bytes:
        """Return the next chunk. Only the client's time counts towards the rate: the service may read slowly."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(self._minimum_rate.remaining):
                message = await self._request.receive()
        except TimeoutError:
            raise BodyTooSlow from None
        seconds = clock() - started
        if message["type"] != "http.request":
            raise IncompleteBody
        chunk: bytes = message.get("body", b"")
        self._received += len(chunk)
        if self._received > self._limit:
            raise PayloadTooLarge
        self._minimum_rate.record(seconds, len(chunk))
        self._request.has_unread_body = self._received != self.content_length and message.get("more_body", False)
        return chunk


async def drain(request: Request) -> None:
    """Discard the rest of a body that was answered before its end, for at most two seconds.

    Closing the connection while the client is sending resets it, and the client may lose the response.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_MAX_DRAIN_SECONDS):
            while request.has_unread_body:
                message = await request.receive()
                request.has_unread_body = message.get("more_body", False)


async def read_text_field(request: Request, payload: Payload, name: str) -> str:
    """Return a field of a buffered body, parsed as the service parses it; empty if there is no such text."""
    if not isinstance(payload, bytes):
        return ""

    async def receive() -> Message:
        return {"type": "http.request", "body": payload, "more_body": False}

    headers = [(b"content-type", request.headers.get(b"content-type", b""))]
    try:
        data = await read_data(starlette.requests.Request({"type": "http", "headers": headers}, receive))
    except ApiError:
        return ""
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""


def _size_limit(request: Request, route: Route) -> int:
    content_type = request.headers.get(b"content-type", b"")
    is_multipart = content_type[:20].lower().startswith(b"multipart/form-data")
    return route.multipart_limit if is_multipart else route.body_limit


def _content_length(request: Request) -> int | None:
    """Return the announced length; None for a chunked body. Raises BadRequest."""
    length = request.headers.get(b"content-length")
    if length is None:
        return None
    if not length.isdigit():
        raise BadRequest("The Content-Length header is not a number.")
    return int(length)
