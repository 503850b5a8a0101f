"""The body of a request on its way in: gathered when it is small, streamed when it is not, bounded in size and time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import starlette.requests
from cv_common.drf.body import read_data
from cv_common.kernel.errors import ApiError, BadRequest, PayloadTooLarge

from cv_gateway.errors import BodyIncomplete, BodyTooSlow
from cv_gateway.pace import Pace
from cv_gateway.request import Message, Request
from cv_gateway.routing import Route
from cv_gateway.services import Payload
from cv_gateway.settings import Settings

_DRAINED_FOR = 2
"""Seconds."""


class IncomingBody:
    """Reads one request's body within its limits.

    `failure` holds what went wrong while a service was reading the stream: the HTTP client reports only that the
    sending stopped.
    """

    def __init__(self, request: Request, route: Route, settings: Settings) -> None:
        self._request = request
        self._pace = Pace(settings.body_grace, settings.body_rate)
        self._limit, self._gathered = _limit(request, route), route.gathered
        self._received = 0
        self.declared = _declared(request)
        self.failure: type[ApiError] | None = None
        self.length = self._limit if self.declared is None else self.declared
        """Its bytes, or the most that it may have when the client does not say."""
        if self.declared is not None and self.declared > self._limit:
            raise PayloadTooLarge

    async def payload(self) -> Payload:
        """What to send on: nothing, bytes, or a stream. Raises PayloadTooLarge, BodyTooSlow or BodyIncomplete."""
        if not self._request.unread:
            return None
        chunks: list[bytes] = []
        while self._request.unread and self._received < self._gathered:
            chunks.append(await self._next())
        gathered = b"".join(chunks)
        return self._stream(gathered) if self._request.unread else gathered

    async def _stream(self, gathered: bytes) -> AsyncIterator[bytes]:
        yield gathered
        try:
            while self._request.unread:
                yield await self._next()
        except ApiError as failure:
            self.failure = type(failure)
            raise

    async def _next(self) -> bytes:
        """The next piece. Only the time that the client takes is counted: a service may read as slowly as it does."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        try:
            async with asyncio.timeout(self._pace.left):
                message = await self._request.receive()
        except TimeoutError:
            raise BodyTooSlow from None
        taken = clock() - asked
        if message["type"] != "http.request":
            raise BodyIncomplete
        chunk: bytes = message.get("body", b"")
        self._received += len(chunk)
        if self._received > self._limit:
            raise PayloadTooLarge
        self._pace.count(taken, len(chunk))
        self._request.unread = self._received != self.declared and message.get("more_body", False)
        return chunk


async def drain(request: Request) -> None:
    """Take, for a moment, what is still coming of a body that was answered before its end.

    Closing on a client that is still sending resets the connection, and it might never see the answer.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAINED_FOR):
            while request.unread:
                message = await request.receive()
                request.unread = message.get("more_body", False)


async def text_field(request: Request, payload: Payload, name: str) -> str:
    """A field of a small body, read as its service will read it; empty where there is no such text."""
    if not isinstance(payload, bytes):
        return ""

    async def whole() -> Message:
        return {"type": "http.request", "body": payload, "more_body": False}

    headers = [(b"content-type", request.headers.get(b"content-type", b""))]
    try:
        data = await read_data(starlette.requests.Request({"type": "http", "headers": headers}, whole))
    except ApiError:
        return ""
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""


def _limit(request: Request, route: Route) -> int:
    content_type = request.headers.get(b"content-type", b"")
    multipart = content_type[:20].lower().startswith(b"multipart/form-data")
    return route.multipart_limit if multipart else route.body_limit


def _declared(request: Request) -> int | None:
    """The body's length as the client says it, None when it does not say. Raises BadRequest."""
    length = request.headers.get(b"content-length")
    if length is None:
        return None
    if not length.isdigit():
        raise BadRequest("The Content-Length header is not a number.")
    return int(length)
