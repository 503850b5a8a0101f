"""Calls to other services: JSON over kept-alive connections, as this service, within a time limit."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from cv_common import tcp
from cv_common.errors import Unavailable
from cv_common.identity import IDENTITY_HEADER, REQUEST_ID_HEADER, Signer
from cv_common.logs import request_id
from cv_common.responses import dump_json

_FIRST_TRY = 0.75
_FIRST_TRY_SECONDS = 8.0
"""A request that may be repeated is sent again, on another connection, after this part of its time, or after so many
seconds if that is sooner."""
_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class Reply:
    """A status and the JSON (or bytes) that came with it."""

    __slots__ = ("content", "headers", "status")

    def __init__(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.status = status
        self.content = content
        self.headers = headers

    def json(self) -> Any:
        return orjson.loads(self.content)


class ServiceClient:
    """HTTP to one other service. Every failure to get an answer is `Unavailable` (503); statuses are the caller's."""

    def __init__(self, service: str, base_url: str, signer: Signer) -> None:
        self.name = f"client of {service}"
        self._service = service
        self._base = base_url.rstrip("/")
        self._signer = signer
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._connector = tcp.http_connector(limit=64)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=1)
        self._session = aiohttp.ClientSession(
            connector=self._connector, timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def problem(self) -> str | None:
        """A neighbour that is down is that neighbour's problem."""
        return None

    async def get(self, path: str, within: float = 5) -> Reply:
        """GET within so many seconds; repeated once where the connection broke or remained silent."""
        async with self._answering(within):
            return await self._send_again_if_lost("GET", path, None, within)

    async def post(self, path: str, body: Any, within: float = 5, *, idempotent: bool = False) -> Reply:
        """POST within so many seconds; repeated as a GET is if that is harmless (`idempotent`), else sent once."""
        async with self._answering(within):
            if idempotent:
                return await self._send_again_if_lost("POST", path, dump_json(body), within)
            return await self._send("POST", path, dump_json(body))

    async def _send_again_if_lost(self, method: str, path: str, body: bytes | None, within: float) -> Reply:
        """Ask, and once more when no answer comes.

        After a silence of at least `tcp.REUSE_SECONDS` (with `within` of 3 or more) the second try opens a connection.
        """
        try:
            async with asyncio.timeout(min(within * _FIRST_TRY, _FIRST_TRY_SECONDS)):
                return await self._send(method, path, body)
        except _NOT_CONNECTED:
            raise
        except (
            TimeoutError,
            aiohttp.ClientPayloadError,
            aiohttp.ClientOSError,
            aiohttp.ServerDisconnectedError,
        ) as error:
            if method == "GET" and isinstance(error, (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
                raise  # aiohttp itself has sent it again
            return await self._send(method, path, body)

    @asynccontextmanager
    async def _answering(self, within: float) -> AsyncIterator[None]:
        """Whatever keeps the answer away is Unavailable."""
        try:
            async with asyncio.timeout(within):
                yield
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"The {self._service} service is not available, try again later.") from error

    async def _send(self, method: str, path: str, body: bytes | None) -> Reply:
        """Ask; where nobody could be reached nothing was sent, so another address is looked for, once."""
        try:
            return await self._ask(method, path, body)
        except _NOT_CONNECTED:
            self._connector.clear_dns_cache()
            return await self._ask(method, path, body)

    async def _ask(self, method: str, path: str, body: bytes | None) -> Reply:
        assert self._session is not None, "start() comes first"
        headers = {IDENTITY_HEADER: self._signer.token(self._service)}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if (current := request_id.get()) is not None:
            headers[REQUEST_ID_HEADER] = current
        async with self._session.request(
            method, self._base + path, data=body, headers=headers, allow_redirects=False
        ) as response:
            return Reply(response.status, await response.read(), response.headers)
