"""Forwards requests to services and relays their responses."""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import nullcontext

import aiohttp
from aiohttp import ClientResponse
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.identity import IDENTITY_HEADER, REQUEST_ID_HEADER, SESSION_END_HEADER, SESSION_START_HEADER
from multidict import CIMultiDict, istr

from cv_gateway.admission import ConcurrencyLimiter, MinimumRate, UploadBudget
from cv_gateway.errors import GatewayTimeout
from cv_gateway.identity import Authenticator, Principal, SessionCookies
from cv_gateway.origins import OriginPolicy
from cv_gateway.rate_limits import RateLimiter
from cv_gateway.request import Headers, Request
from cv_gateway.request_body import IncomingBody, read_text_field
from cv_gateway.responses import ResponseWriter
from cv_gateway.routing import Route
from cv_gateway.settings import Settings
from cv_gateway.upstream_client import Payload, UpstreamClient

# An allow list: a client cannot impersonate anyone with a header that is not forwarded.
_FORWARDED_HEADERS = {
    name.lower().encode(): istr(name)
    for name in (
        "Accept", "Accept-Language", "Content-Type", "Idempotency-Key", "If-Match", "If-Modified-Since",
        "If-None-Match", "If-Range", "If-Unmodified-Since", "Range", "Stripe-Signature",
    )
}  # fmt: skip
_IDENTITY, _REQUEST_ID, _CONTENT_LENGTH = istr(IDENTITY_HEADER), istr(REQUEST_ID_HEADER), istr("Content-Length")

_SESSION_START, _SESSION_END = SESSION_START_HEADER.lower().encode(), SESSION_END_HEADER.lower().encode()
_DROPPED_HEADERS = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
    | {b"date", b"server", b"set-cookie", b"x-identity", b"x-request-id", _SESSION_START, _SESSION_END}
)
"""Response headers of services that are hop-by-hop, or that the gateway sets itself."""

_MAX_BUFFERED_RESPONSE = 64 * 1024
"""Bytes of a response that are read before its head is sent: if the service fails meanwhile, the client gets a 503."""

log = logging.getLogger(__name__)


class Proxy:
    """Forwards one request at a time, buffered or streamed in both directions."""

    def __init__(
        self, settings: Settings, client: UpstreamClient, authenticator: Authenticator, rate_limiter: RateLimiter
    ) -> None:
        self._settings = settings
        self._client = client
        self._authenticator = authenticator
        self._rate_limiter = rate_limiter
        self._cookies = SessionCookies(settings)
        self._responses = ResponseWriter(settings)
        self._origins = OriginPolicy(settings)
        self._upload_budget = UploadBudget(settings)
        self._concurrency = ConcurrencyLimiter(settings)

    async def forward(self, request: Request, route: Route, principal: Principal) -> int:
        """Answer a request with the response of its service; returns the status.

        Raises an ApiError before anything is sent to the client.
        """
        body = IncomingBody(request, route, self._settings)
        payload = await body.read()
        if "login" in route.rate_limits:
            await self._rate_limiter.check_account(request, route, await read_text_field(request, payload, "email"))
        is_streamed = isinstance(payload, AsyncIterable)
        reservation = self._upload_budget.reserve(request, route, body.max_size) if is_streamed else nullcontext()
        async with reservation:
            with self._concurrency.acquire(request, route):
                response = await self._send(request, route, principal, body, payload)
                try:
                    return await self._relay(request, route, principal, response)
                finally:
                    response.release()

    async def _send(
        self, request: Request, route: Route, principal: Principal, body: IncomingBody, payload: Payload
    ) -> ClientResponse:
        headers = self._request_headers(request, route, principal)
        if body.content_length is not None and not isinstance(payload, bytes | None):
            headers[_CONTENT_LENGTH] = str(body.content_length)
        method = "GET" if request.method == "HEAD" else request.method
        target = f"{request.path}?{request.query.decode('latin-1')}" if request.query else request.path
        try:
            return await self._client.send(route.service, method, target, headers, payload, route.read_timeout)
        except ServiceUnavailable:
            raise (body.stream_error or ServiceUnavailable()) from None

    def _request_headers(self, request: Request, route: Route, principal: Principal) -> CIMultiDict[str]:
        sent = request.headers
        headers = CIMultiDict(
            (name, sent[key].decode("latin-1")) for key, name in _FORWARDED_HEADERS.items() if key in sent
        )
        if request.method == "HEAD":  # forwarded as a GET, which would answer a Range with a part
            headers.pop("Range", None)
        headers[_REQUEST_ID] = request.id
        if route.sends_identity:
            headers[_IDENTITY] = self._authenticator.identity_token(principal, route.service)
        return headers

    async def _relay(self, request: Request, route: Route, principal: Principal, response: ClientResponse) -> int:
        headers = _response_headers(response)
        headers += [(b"set-cookie", cookie) for cookie in self._set_cookies(request, route, principal, response)]
        headers = self._responses.finalize(request, headers, is_media=not route.sends_identity)
        start = {"type": "http.response.start", "status": response.status, "headers": headers}
        length = response.content_length
        if request.method == "HEAD":
            await request.send(start)
            await request.send({"type": "http.response.body", "body": b""})
        elif length is not None and length <= _MAX_BUFFERED_RESPONSE:
            body = await _read(response, route.read_timeout)
            await request.send(start)
            await request.send({"type": "http.response.body", "body": body})
        else:
            await request.send(start)
            minimum_rate = MinimumRate(self._settings.answer_grace, self._settings.body_rate)
            await _stream(request, _read_chunks(response, route.read_timeout), minimum_rate)
        return response.status

    def _set_cookies(
        self, request: Request, route: Route, principal: Principal, response: ClientResponse
    ) -> list[bytes]:
        """Return the cookies that start, extend or end the session, as the service's response requires."""
        cookies = self._cookies
        merged = [cookies.delete_mark(session_id) for session_id in principal.merged]
        started = response.headers.get(SESSION_START_HEADER)
        if SESSION_END_HEADER in response.headers:
            own = [cookies.delete_mark(each) for each in principal.marked if each not in principal.unmerged]
            # Sessions that auth could not merge yet keep their marks.
            unmerged = [cookies.mark(session_id, lasting=True) for session_id in principal.unmerged]
            return [cookies.delete(), *merged, *own, *unmerged]
        if started is not None and self._origins.untrusted_origin(request) is not None:
            return merged  # the new cookie would replace the existing one, which the browser did not send
        session_id = started or principal.session_id
        if session_id is None or not (route.extends_session or started or merged):
            return merged
        return [cookies.session(session_id), *self._set_marks(request, route, principal, response), *merged]

    def _set_marks(self, request: Request, route: Route, principal: Principal, response: ClientResponse) -> list[bytes]:
        started = response.headers.get(SESSION_START_HEADER)
        lasting = set(principal.marked) if principal.unmerged else set()
        brief: set[str] = set()
        is_creation = request.method == "POST" and response.status < 300
        if started is not None and is_creation:
            # The session that the new one replaces is marked too: it may contain what must be merged.
            lasting |= {started, principal.session_id or started}
        elif principal.session_id is not None and (
            principal.merged or (is_creation and route.extends_session and principal.session_id not in principal.marked)
        ):
            brief = {principal.session_id} - lasting
        marks = [(each, True) for each in lasting] + [(each, False) for each in brief]
        return [self._cookies.mark(each, lasting=is_lasting) for each, is_lasting in sorted(marks)]


def _response_headers(response: ClientResponse) -> Headers:
    lower = ((name.lower(), value) for name, value in response.raw_headers)
    return [
        (name, value)
        for name, value in lower
        if name not in _DROPPED_HEADERS and not name.startswith(b"access-control-")
    ]


async def _read(response: ClientResponse, read_timeout: float) -> bytes:
    """Return a whole response body. Raises ServiceUnavailable or GatewayTimeout."""
    try:
        async with asyncio.timeout(read_timeout):
            return await response.read()
    except TimeoutError:
        raise GatewayTimeout from None
    except (aiohttp.ClientError, OSError):
        raise ServiceUnavailable from None


async def _read_chunks(response: ClientResponse, read_timeout: float) -> AsyncIterator[bytes]:
    """Yield a response body as it arrives. Raises TimeoutError and aiohttp's errors."""
    while True:
        async with asyncio.timeout(read_timeout):
            chunk = await response.content.readany()
        if not chunk:
            return
        yield chunk


async def _stream(request: Request, chunks: AsyncIterator[bytes], minimum_rate: MinimumRate) -> None:
    """Send a response body in chunks, as the client reads them.

    An error cannot be answered after the head was sent. The connection is then closed before the end of the body, so
    that no client mistakes a part for the whole.
    """
    disconnected = asyncio.ensure_future(_wait_for_disconnect(request))
    clock = asyncio.get_running_loop().time
    try:
        async for chunk in chunks:
            if disconnected.done():
                return
            started = clock()
            async with asyncio.timeout(minimum_rate.remaining):
                await request.send({"type": "http.response.body", "body": chunk, "more_body": True})
            minimum_rate.record(clock() - started, len(chunk))
        await request.send({"type": "http.response.body", "body": b""})
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        log.warning("response aborted", extra={"reason": repr(error)})
    finally:
        disconnected.cancel()


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
