"""Files in a folder, S3, Google Cloud Storage or Azure Blob Storage, through obstore."""

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from cv_common.kernel import tcp
from cv_common.kernel.errors import ServiceUnavailable

log = logging.getLogger(__name__)

_ABSENT = (NotFoundError, FileNotFoundError)
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_PROBE = "health/probe"
_PROBE_SIZE = 4096
"""Bytes. A full disk still accepts an empty file."""
_PROBE_SECONDS = 5.0
"""Seconds that `start()` and `check()` wait for the store."""
_TRY_SECONDS = 4
_TIMEOUT_SECONDS = 5.0
"""Seconds for one operation with its retries. With the decoding of a photo it stays below the gateway's ten."""


class Media:
    """The files of this service, by path (`pdfs/<key>.pdf`). Writes are atomic: a reader sees a whole file or none.

    `put`, `get` and `delete` raise ServiceUnavailable when the store fails or does not answer.
    """

    name = "media"

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        self._store = _open(url, options or {})
        self._problem: str | None = None

    async def start(self) -> None:
        """Check whether files can be written. If not, the service starts all the same and is unhealthy."""
        await self._probe()

    async def stop(self) -> None:
        """Do nothing: no connection is held open."""

    async def check(self) -> str | None:
        """Return why the last operation failed, such as a full disk. Tries again, until a file is written."""
        if self._problem is not None:
            await self._probe()
        return self._problem

    async def _probe(self) -> None:
        try:
            with suppress(ServiceUnavailable):
                async with asyncio.timeout(_PROBE_SECONDS):
                    await self.put(_PROBE, bytes(_PROBE_SIZE))
        except TimeoutError:
            self._problem = "files cannot be written or read: no answer"

    async def put(self, path: str, content: bytes) -> None:
        async with self._reachable():
            await self._store.put_async(path, content)
        self._problem = None

    async def get(self, path: str) -> bytes | None:
        """Return the file's content, or None if it does not exist or its path is invalid, such as `../x`."""
        async with self._reachable():
            with suppress(*_ABSENT, ValueError):
                result = await self._store.get_async(path)
                return bytes(await result.bytes_async())
        return None

    async def delete(self, path: str) -> None:
        """Delete a file, if it exists."""
        async with self._reachable():
            with suppress(*_ABSENT):
                await self._store.delete_async(path)

    @asynccontextmanager
    async def _reachable(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                yield
        except (BaseError, OSError) as error:
            reason = _reason(error)
            self._problem = f"files cannot be written or read: {reason}"
            log.error("the media store failed", extra={"reason": reason})
            raise ServiceUnavailable("The media store is not available, try again later.") from error


def _reason(error: Exception) -> str:
    """Return the reason without the path, which the error's text contains: a photo's path gives access to the photo."""
    os_error = _OS_ERROR.search(str(error))
    return os.strerror(int(os_error[1])) if os_error else type(error).__name__


def _open(url: str, options: Mapping[str, str]) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(Path(unquote(parts.path)), mkdir=True)
    # The operator has configured an unencrypted endpoint, in a network of their own.
    is_plain = options.get("endpoint", "").startswith("http://")
    return from_url(
        url,
        config=cast("Any", dict(options)),
        client_options={
            "allow_http": is_plain,
            "connect_timeout": "2s",
            "timeout": f"{_TRY_SECONDS}s",
            "pool_idle_timeout": f"{tcp.REUSE_SECONDS:.0f}s",
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=_TIMEOUT_SECONDS)},
    )
