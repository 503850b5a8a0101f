"""The services behind the gateway: where each one is, and one pool of kept-alive connections to all of them.

Connections are given up after 2 idle seconds, well before the services give them up: a request written on a connection
that the other side just closed is lost, and only a GET may be asked twice. For the same reason a service that vanished
silently delays only the requests of those seconds.
"""

from asyncio import Timeout, get_running_loop, sleep, timeout
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import orjson
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientTimeout
from cv_common.kernel import tcp
from cv_common.kernel.errors import ServiceUnavailable
from multidict import CIMultiDict
from yarl import URL

from cv_gateway.errors import TimedOut
from cv_gateway.settings import Settings

Payload = bytes | AsyncIterable[bytes] | None

_RECONNECT_AFTER = 0.1
_FIRST_TRY = 0.75
"""Part of the time for an answer after which a GET is sent again. It is longer than the 7 seconds in which a service
notices that its database is silent."""
_ASK_WITHIN = ClientTimeout(total=2, sock_connect=1)
_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class Unanswered(Exception):
    """A service gave no usable answer to a question of the gateway's own."""


class _Interrupted(aiohttp.ClientError):
    """The connection broke when the request, or a part of it, had been sent."""


class Services:
    """Sends requests to services by name."""

    def __init__(self, settings: Settings) -> None:
        self.origins = {
            "auth": URL(settings.auth_url),
            "templates": URL(settings.templates_url),
            "resumes": URL(settings.resumes_url),
            "payments": URL(settings.payments_url),
            "renderer": URL(settings.renderer_url),
        }
        self._connect_timeout = settings.connect_timeout
        self._http: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the pool, in the running loop."""
        self._connector = tcp.http_connector(limit=0)
        self._http = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # How long a service may be silent is ours to count: aiohttp goes on counting when an answer that was taken
            # slowly is over, and whoever has the connection next is told of it.
            timeout=ClientTimeout(total=None, sock_connect=self._connect_timeout),
            auto_decompress=False,
            middlewares=(_sent_once,),
            skip_auto_headers=_AUTOMATIC,
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._http is not None:
            await self._http.close()

    async def send(
        self,
        service: str,
        method: str,
        path_and_query: str,
        headers: CIMultiDict[str],
        payload: Payload,
        read_timeout: float,
    ) -> ClientResponse:
        """The service's response, its body still to be read. Raises ServiceUnavailable or TimedOut.

        A failed connect is tried again for any method. Once bytes were sent, only a GET is; one that remains without an
        answer is sent again, on another connection, after three quarters of the time.
        """
        url = self._url(service, path_and_query)
        repeatable = method == "GET" and (payload is None or isinstance(payload, bytes))
        patience = read_timeout * _FIRST_TRY if repeatable else read_timeout
        ends_at = get_running_loop().time() + read_timeout
        tries_left = 1
        while True:
            try:
                async with timeout(patience) as silence:
                    return await self._session.request(
                        method, url, headers=headers, data=_heard(payload, silence, patience), allow_redirects=False
                    )
            except _NOT_SENT:
                if not tries_left:
                    raise ServiceUnavailable from None
                self._connector.clear_dns_cache()  # where it was a moment ago, another may answer for it now
                await sleep(_RECONNECT_AFTER)
            except TimeoutError:
                if not tries_left or not repeatable:
                    raise TimedOut from None
            except (aiohttp.ClientError, OSError):
                if not tries_left or not repeatable:
                    raise ServiceUnavailable from None
            tries_left -= 1
            patience = ends_at - get_running_loop().time() if repeatable else read_timeout

    async def ask(self, service: str, path: str) -> tuple[int, bytes]:
        """Status and body of a service's own page, such as its schema. Raises Unanswered."""
        try:
            async with self._session.get(self._url(service, path), timeout=_ASK_WITHIN) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unanswered(f"{service}{path}: {error!r}") from error

    async def ask_json(self, service: str, path: str) -> Any:
        """The JSON of a service's own page. Raises Unanswered, also for any status but 200."""
        status, body = await self.ask(service, path)
        try:
            if status == 200:
                return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Unanswered(f"{service}{path}: {error}") from error
        raise Unanswered(f"{service}{path}: {status}")

    @property
    def _session(self) -> aiohttp.ClientSession:
        assert self._http is not None, "open() comes first"
        return self._http

    def _url(self, service: str, path_and_query: str) -> URL:
        # Built, not parsed: the path was judged by the gateway and is to arrive byte for byte.
        origin = self.origins[service]
        path, _, query = path_and_query.partition("?")
        return URL.build(
            scheme=origin.scheme,
            host=origin.host or "",
            port=origin.port,
            path=path,
            query_string=query,
            encoded=True,
        )


def _heard(payload: Payload, silence: Timeout, patience: float) -> Payload:
    """The payload. While the client is asked for a piece of it, the service's silence does not count."""
    if payload is None or isinstance(payload, bytes):
        return payload

    def count(until: float | None) -> None:
        with suppress(RuntimeError):  # the service has answered before the end
            silence.reschedule(until)

    async def pieces() -> AsyncIterator[bytes]:
        clock = get_running_loop().time
        async for piece in payload:
            count(clock() + patience)
            yield piece
            count(None)
        count(clock() + patience)

    return pieces()


async def _sent_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from repeating PUT and DELETE by itself, as it does when a kept-alive connection breaks."""
    try:
        return await handler(request)
    except _NOT_SENT:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Interrupted from error
