"""Calls to other services: JSON over kept-alive connections, as this service, within a time limit."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from cv_common.errors import Unavailable
from cv_common.identity import IDENTITY_HEADER, REQUEST_ID_HEADER, Signer
from cv_common.logs import request_id
from cv_common.responses import dump_json

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
        self._connector = aiohttp.TCPConnector(limit=64, keepalive_timeout=15)
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
        """GET within so many seconds; tried once more when the connection broke, which is safe for a read."""
        async with self._answering(within):
            try:
                return await self._send("GET", path, None)
            except aiohttp.ClientPayloadError:  # when it broke before an answer, aiohttp itself tries again
                return await self._send("GET", path, None)

    async def post(self, path: str, body: Any, within: float = 5) -> Reply:
        """POST within so many seconds; sent once."""
        async with self._answering(within):
            return await self._send("POST", path, dump_json(body))

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
