"""Calls to other services: JSON over kept-alive connections, as this service, within a time limit."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from cv_common.errors import Unavailable
from cv_common.identity import IDENTITY_HEADER, REQUEST_ID_HEADER, Signer
from cv_common.logs import request_id


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
        connector = aiohttp.TCPConnector(limit=64, keepalive_timeout=15)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def problem(self) -> str | None:
        """A neighbour that is down is that neighbour's problem."""
        return None

    async def get(self, path: str, within: float = 5) -> Reply:
        """GET within so many seconds; tried once more when the connection broke, which is safe for a read."""
        try:
            return await self._send("GET", path, None, within)
        except Unavailable:
            return await self._send("GET", path, None, within)

    async def post(self, path: str, body: Any, within: float = 5) -> Reply:
        """POST within so many seconds, once."""
        return await self._send("POST", path, orjson.dumps(body), within)

    async def _send(self, method: str, path: str, body: bytes | None, within: float) -> Reply:
        assert self._session is not None, "start() comes first"
        headers = {IDENTITY_HEADER: self._signer.token(self._service)}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if (current := request_id.get()) is not None:
            headers[REQUEST_ID_HEADER] = current
        limits = aiohttp.ClientTimeout(total=within, sock_connect=1)
        try:
            async with self._session.request(
                method, self._base + path, data=body, headers=headers, timeout=limits, allow_redirects=False
            ) as response:
                return Reply(response.status, await response.read(), response.headers)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"The {self._service} service is not available, try again later.") from error
