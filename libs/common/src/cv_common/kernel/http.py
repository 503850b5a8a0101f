"""HTTP client for other services: JSON, persistent connections, an identity token and a deadline for each call."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from cv_common.kernel import tcp
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.identity import IDENTITY_HEADER, REQUEST_ID_HEADER, Signer
from cv_common.kernel.logs import request_id
from cv_common.kernel.serialization import dump_json

_FIRST_TRY_SHARE = 0.75
_FIRST_TRY_SECONDS = 8.0
"""A request that may be repeated is sent again, on another connection, after this share of its timeout, but at the
latest after this many seconds."""
_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


@dataclass(slots=True)
class ServiceResponse:
    """The status, body and headers of a response."""

    status: int
    content: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        return orjson.loads(self.content)


class ServiceClient:
    """A client of one other service.

    Raises ServiceUnavailable when no response arrives in time. The caller interprets the statuses of responses.
    """

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

    async def check(self) -> str | None:
        """Return None: a service does not become unhealthy because another one is down."""
        return None

    async def get(self, path: str, timeout: float = 5) -> ServiceResponse:
        """Send a GET; `timeout` is in seconds. Repeats it once if the connection breaks or remains silent."""
        async with self._deadline(timeout):
            return await self._send_again_if_lost("GET", path, None, timeout)

    async def post(self, path: str, body: object, timeout: float = 5, *, idempotent: bool = False) -> ServiceResponse:
        """Send a POST with a JSON body; `timeout` is in seconds. Repeats it as a GET is if it is `idempotent`."""
        async with self._deadline(timeout):
            if idempotent:
                return await self._send_again_if_lost("POST", path, dump_json(body), timeout)
            return await self._send("POST", path, dump_json(body))

    async def _send_again_if_lost(self, method: str, path: str, body: bytes | None, timeout: float) -> ServiceResponse:
        """Send a request, and a second time if no response arrives.

        With a timeout of 3 seconds or more, the second try opens a new connection, because the idle ones are older
        than `tcp.REUSE_SECONDS`.
        """
        try:
            async with asyncio.timeout(min(timeout * _FIRST_TRY_SHARE, _FIRST_TRY_SECONDS)):
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
                raise  # aiohttp has repeated it already
            return await self._send(method, path, body)

    @asynccontextmanager
    async def _deadline(self, timeout: float) -> AsyncIterator[None]:
        """Turn a timeout and every error of the connection into ServiceUnavailable."""
        try:
            async with asyncio.timeout(timeout):
                yield
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ServiceUnavailable(f"The {self._service} service is not available, try again later.") from error

    async def _send(self, method: str, path: str, body: bytes | None) -> ServiceResponse:
        """Send a request. If no connection could be opened, nothing was sent: look the address up again, once."""
        try:
            return await self._send_once(method, path, body)
        except _NOT_CONNECTED:
            self._connector.clear_dns_cache()
            return await self._send_once(method, path, body)

    async def _send_once(self, method: str, path: str, body: bytes | None) -> ServiceResponse:
        assert self._session is not None, "call start() first"
        headers = {IDENTITY_HEADER: self._signer.token(self._service)}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if (current := request_id.get()) is not None:
            headers[REQUEST_ID_HEADER] = current
        async with self._session.request(
            method, self._base + path, data=body, headers=headers, allow_redirects=False
        ) as response:
            return ServiceResponse(response.status, await response.read(), response.headers)
