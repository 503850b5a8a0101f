"""Passing a request on to its service, and the service's answer back."""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import nullcontext

import aiohttp
from aiohttp import ClientResponse
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.identity import IDENTITY_HEADER, REQUEST_ID_HEADER, SESSION_END_HEADER, SESSION_START_HEADER
from multidict import CIMultiDict, istr

from cv_gateway.answers import Answers
from cv_gateway.bodies import IncomingBody, text_field
from cv_gateway.errors import TimedOut
from cv_gateway.identity import Identities, Sessions, Visitor
from cv_gateway.limits import Limits
from cv_gateway.long_bodies import LongBodies
from cv_gateway.origins import Origins
from cv_gateway.pace import Pace
from cv_gateway.places import Places
from cv_gateway.request import Headers, Request
from cv_gateway.routing import Route
from cv_gateway.services import Payload, Services
from cv_gateway.settings import Settings

# What a service may hear of an outside request. A list of what passes, not of what is dropped: no header that
# could pose as an identity needs to be thought of.
_PASSED_ON = {
    name.lower().encode(): istr(name)
    for name in (
        "Accept",
        "Accept-Language",
        "Content-Type",
        "Idempotency-Key",
        "If-Match",
        "If-Modified-Since",
        "If-None-Match",
        "If-Range",
        "If-Unmodified-Since",
        "Range",
        "Stripe-Signature",
    )
}
_IDENTITY, _REQUEST_ID, _CONTENT_LENGTH = istr(IDENTITY_HEADER), istr(REQUEST_ID_HEADER), istr("Content-Length")

_SESSION_START, _SESSION_END = SESSION_START_HEADER.lower().encode(), SESSION_END_HEADER.lower().encode()
_KEPT_BACK = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
    | {b"date", b"server", b"set-cookie", b"x-identity", b"x-request-id", _SESSION_START, _SESSION_END}
)
"""Headers of a service's answer that are the connection's, or the gateway's to say."""

_AT_ONCE = 64 * 1024
"""Bytes up to which an answer is read before it is begun: a service that breaks off is then a clean 503."""

log = logging.getLogger(__name__)


class Proxy:
    """Passes requests on: one at a time, whole or streamed, both ways."""

    def __init__(
        self,
        settings: Settings,
        services: Services,
        identities: Identities,
        sessions: Sessions,
        answers: Answers,
        limits: Limits,
        origins: Origins,
    ) -> None:
        self._settings = settings
        self._services = services
        self._identities = identities
        self._sessions = sessions
        self._answers = answers
        self._limits = limits
        self._origins = origins
        self._long_bodies = LongBodies(settings)
        self._places = Places(settings)

    async def pass_on(self, request: Request, route: Route, visitor: Visitor) -> int:
        """Answer a request with its service's answer; returns the status.

        Raises an ApiError as long as nothing has been answered.
        """
        body = IncomingBody(request, route, self._settings)
        payload = await body.payload()
        if "login" in route.limits:
            await self._limits.check_account(request, route, await text_field(request, payload, "email"))
        streamed = isinstance(payload, AsyncIterable)
        room = self._long_bodies.room(request, route, body.length) if streamed else nullcontext()
        async with room:
            return await self._exchange(request, route, visitor, body, payload)

    async def _exchange(
        self, request: Request, route: Route, visitor: Visitor, body: IncomingBody, payload: Payload
    ) -> int:
        with self._places.place(request, route):
            response = await self._ask(request, route, visitor, body, payload)
            try:
                return await self._relay(request, route, visitor, response)
            finally:
                response.release()

    async def _ask(
        self, request: Request, route: Route, visitor: Visitor, body: IncomingBody, payload: Payload
    ) -> ClientResponse:
        """The service's answer. Raises an ApiError."""
        headers = self._request_headers(request, route, visitor)
        if body.declared is not None and not isinstance(payload, bytes | None):
            headers[_CONTENT_LENGTH] = str(body.declared)
        method = "GET" if request.method == "HEAD" else request.method
        target = f"{request.path}?{request.query.decode('latin-1')}" if request.query else request.path
        try:
            return await self._services.send(route.service, method, target, headers, payload, route.read_timeout)
        except ServiceUnavailable:
            raise (body.failure or ServiceUnavailable()) from None

    def _request_headers(self, request: Request, route: Route, visitor: Visitor) -> CIMultiDict[str]:
        sent = request.headers
        headers = CIMultiDict((name, sent[key].decode("latin-1")) for key, name in _PASSED_ON.items() if key in sent)
        if request.method == "HEAD":  # the service is sent a GET, of which alone a range could be asked for
            headers.pop("Range", None)
        headers[_REQUEST_ID] = request.id
        if route.identified:
            headers[_IDENTITY] = self._identities.token(visitor, route.service)
        return headers

    async def _relay(self, request: Request, route: Route, visitor: Visitor, response: ClientResponse) -> int:
        headers = _response_headers(response)
        headers += [(b"set-cookie", cookie) for cookie in self._cookies(request, route, visitor, response)]
        headers = self._answers.complete(request, headers, media=not route.identified)
        start = {"type": "http.response.start", "status": response.status, "headers": headers}
        length = response.content_length
        if request.method == "HEAD":
            await request.send(start)
            await request.send({"type": "http.response.body", "body": b""})
        elif length is not None and length <= _AT_ONCE:
            body = await _whole(response, route.read_timeout)
            await request.send(start)
            await request.send({"type": "http.response.body", "body": body})
        else:
            await request.send(start)
            pace = Pace(self._settings.answer_grace, self._settings.body_rate)
            await _stream(request, _pieces(response, route.read_timeout), pace)
        return response.status

    def _cookies(self, request: Request, route: Route, visitor: Visitor, response: ClientResponse) -> list[bytes]:
        """What the service's answer does to the session's cookies: starts, ends, prolongs them."""
        sessions = self._sessions
        unmarked = [sessions.unmark(each) for each in visitor.merged]
        started = response.headers.get(SESSION_START_HEADER)
        # Sessions that auth could not merge keep their marks until it can.
        waiting = [sessions.mark(each, lasting=True) for each in visitor.unmerged]
        if SESSION_END_HEADER in response.headers:
            own = [sessions.unmark(each) for each in visitor.marked if each not in visitor.unmerged]
            return [sessions.end(), *unmarked, *own, *waiting]
        if started is not None and self._origins.is_foreign(request):
            return unmarked
        session_id = started or visitor.session_id
        if session_id is None or not (route.sessions or started or unmarked):
            return unmarked
        return [sessions.cookie(session_id), *self._marks(request, route, visitor, response), *unmarked]

    def _marks(self, request: Request, route: Route, visitor: Visitor, response: ClientResponse) -> list[bytes]:
        """The marks that an answer sets or prolongs."""
        started = response.headers.get(SESSION_START_HEADER)
        lasting = set(visitor.marked) if visitor.unmerged else set()
        brief: set[str] = set()
        is_creation = request.method == "POST" and response.status < 300
        if started is not None and is_creation:
            # A session that is left for another one is marked too: it may hold what is to be merged.
            lasting |= {started, visitor.session_id or started}
        elif visitor.session_id is not None and (
            visitor.merged or (is_creation and route.sessions and visitor.session_id not in visitor.marked)
        ):
            brief = {visitor.session_id} - lasting
        marks = [(each, True) for each in lasting] + [(each, False) for each in brief]
        return [self._sessions.mark(each, lasting=is_lasting) for each, is_lasting in sorted(marks)]


def _response_headers(response: ClientResponse) -> Headers:
    lower = ((name.lower(), value) for name, value in response.raw_headers)
    return [
        (name, value) for name, value in lower if name not in _KEPT_BACK and not name.startswith(b"access-control-")
    ]


async def _whole(response: ClientResponse, read_timeout: float) -> bytes:
    """A short body. Raises ServiceUnavailable or TimedOut if the service breaks off."""
    try:
        async with asyncio.timeout(read_timeout):
            return await response.read()
    except TimeoutError:
        raise TimedOut from None
    except (aiohttp.ClientError, OSError):
        raise ServiceUnavailable from None


async def _pieces(response: ClientResponse, read_timeout: float) -> AsyncIterator[bytes]:
    """A body as it comes. Raises TimeoutError and aiohttp's errors."""
    while True:
        async with asyncio.timeout(read_timeout):
            piece = await response.content.readany()
        if not piece:
            return
        yield piece


async def _stream(request: Request, pieces: AsyncIterator[bytes], pace: Pace) -> None:
    """Send a long body on, chunk by chunk, as the client takes it.

    It has begun, so that what goes wrong can only be said by not ending it: the connection is closed short of the
    announced length, and no client takes the part for the whole.
    """
    gone = asyncio.ensure_future(_disconnected(request))
    clock = asyncio.get_running_loop().time
    try:
        async for chunk in pieces:
            if gone.done():
                return
            sent = clock()
            async with asyncio.timeout(pace.left):
                await request.send({"type": "http.response.body", "body": chunk, "more_body": True})
            pace.count(clock() - sent, len(chunk))
        await request.send({"type": "http.response.body", "body": b""})
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        log.warning("an answer was broken off", extra={"reason": repr(error)})
    finally:
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
