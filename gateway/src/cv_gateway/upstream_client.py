"""HTTP client for the services behind the gateway: one pool of kept-alive connections to all of them.

Idle connections are closed after 2 seconds, well before the services close them: a request that is written on a
connection that the other side just closed is lost, and only a GET may be repeated. This also limits how many requests
are delayed by a service that vanished silently.
"""

from asyncio import Timeout, get_running_loop, sleep, timeout
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress

import aiohttp
import orjson
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientTimeout
from cv_common.kernel import tcp
from cv_common.kernel.errors import ServiceUnavailable
from multidict import CIMultiDict
from pydantic import JsonValue
from yarl import URL

from cv_gateway.errors import GatewayTimeout
from cv_gateway.routing import Service

Payload = bytes | AsyncIterable[bytes] | None

_RECONNECT_DELAY = 0.1
_FIRST_ATTEMPT = 0.75
"""Fraction of the read timeout after which a GET is sent again. It is longer than the 7 seconds in which a service
detects a silent database."""
_FETCH_TIMEOUT = ClientTimeout(total=2, sock_connect=1)
_AUTOMATIC_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_CONNECT_ERRORS = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class FetchError(Exception):
    """A service did not answer a request of the gateway itself, or not with the expected document."""


class _ConnectionLost(aiohttp.ClientError):
    """The connection broke after a part of the request was sent."""


class UpstreamClient:
    """Sends requests to services."""

    def __init__(self, connect_timeout: float) -> None:
        self._connect_timeout = connect_timeout

    async def open(self) -> None:
        """Open the pool in the running event loop."""
        self._connector = tcp.http_connector(limit=0)
        self._http = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # `send` has its own read timeout: aiohttp's continues after a slowly read response has ended, and fails
            # the next request on that connection.
            timeout=ClientTimeout(total=None, sock_connect=self._connect_timeout),
            auto_decompress=False,
            middlewares=(_disable_retry,),
            skip_auto_headers=_AUTOMATIC_HEADERS,
        )

    async def close(self) -> None:
        await self._http.close()

    async def send(
        self,
        service: Service,
        method: str,
        path_and_query: str,
        headers: CIMultiDict[str],
        payload: Payload,
        read_timeout: float,
    ) -> ClientResponse:
        """Return the service's response, with an unread body. Raises ServiceUnavailable or GatewayTimeout.

        A failed connect is retried for any method. After bytes were sent, only a GET is retried; if it remains
        unanswered, after three quarters of the timeout and on another connection.
        """
        url = _url(service, path_and_query)
        is_repeatable = method == "GET" and (payload is None or isinstance(payload, bytes))
        attempt_timeout = read_timeout * _FIRST_ATTEMPT if is_repeatable else read_timeout
        deadline = get_running_loop().time() + read_timeout
        retries_left = 1
        while True:
            try:
                async with timeout(attempt_timeout) as idle:
                    data = _with_idle_timeout(payload, idle, attempt_timeout)
                    return await self._http.request(method, url, headers=headers, data=data, allow_redirects=False)
            except _CONNECT_ERRORS:
                if not retries_left:
                    raise ServiceUnavailable from None
                self._connector.clear_dns_cache()  # the name may have moved to another address
                await sleep(_RECONNECT_DELAY)
            except TimeoutError:
                if not retries_left or not is_repeatable:
                    raise GatewayTimeout from None
            except (aiohttp.ClientError, OSError):
                if not retries_left or not is_repeatable:
                    raise ServiceUnavailable from None
            retries_left -= 1
            attempt_timeout = deadline - get_running_loop().time() if is_repeatable else read_timeout

    async def fetch_json(self, service: Service, path: str) -> dict[str, JsonValue]:
        """Return the JSON object at a path of a service. Raises FetchError."""
        try:
            async with self._http.get(_url(service, path), timeout=_FETCH_TIMEOUT) as response:
                status, body = response.status, await response.read()
            document = orjson.loads(body) if status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError) as error:
            raise FetchError(f"{service.name}{path}: {error!r}") from error
        if not isinstance(document, dict):
            raise FetchError(f"{service.name}{path}: status {status}, no JSON object")
        return document


def _url(service: Service, path_and_query: str) -> URL:
    # Built, not parsed: the service must receive the same bytes that the gateway routed.
    path, _, query = path_and_query.partition("?")
    return URL.build(
        scheme=service.url.scheme,
        host=service.url.host or "",
        port=service.url.port,
        path=path,
        query_string=query,
        encoded=True,
    )


def _with_idle_timeout(payload: Payload, idle: Timeout, seconds: float) -> Payload:
    """Return the payload, whose stream suspends the timeout of the service while it waits for the client."""
    if payload is None or isinstance(payload, bytes):
        return payload

    def reschedule(when: float | None) -> None:
        with suppress(RuntimeError):  # the service has already answered
            idle.reschedule(when)

    async def stream() -> AsyncIterator[bytes]:
        clock = get_running_loop().time
        async for chunk in payload:
            reschedule(clock() + seconds)
            yield chunk
            reschedule(None)
        reschedule(clock() + seconds)

    return stream()


async def _disable_retry(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from repeating PUT and DELETE itself, as it does after a kept-alive connection broke."""
    try:
        return await handler(request)
    except _CONNECT_ERRORS:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _ConnectionLost from error
