"""Files behind one address: a folder, S3, Google Cloud Storage or Azure, through obstore."""

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

from cv_common.kernel import tcp
from cv_common.kernel.errors import ServiceUnavailable
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

log = logging.getLogger(__name__)

_ABSENT = (NotFoundError, FileNotFoundError)
_OF_SYSTEM = re.compile(r"\(os error (\d+)\)")
_PROBE = "health/probe"
_PROBE_SIZE = 4096
"""Bytes: a full disk still takes an empty file."""
_PROBE_WITHIN = 5.0
"""Seconds that a start, or somebody who asks for health, waits for a bucket."""
_TRY_SECONDS = 4
_WITHIN = 5.0
"""Seconds that one file may take with all tries: with the decoding of a photo it stays below the gateway's ten."""


class Media:
    """The service's own files, by path (`pdfs/<key>.pdf`). Writes are atomic: a reader sees all of a file or none.

    `put`, `get` and `delete` raise ServiceUnavailable when the store does not do what it is asked.
    """

    name = "media"

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        self._store = _open(url, options or {})
        self._problem: str | None = None

    async def start(self) -> None:
        """See whether files can be kept. If not, that is said, and the service does what it can without."""
        await self._probe()

    async def stop(self) -> None:
        """Nothing is held open."""

    async def check(self) -> str | None:
        """What kept the last file from being kept, such as a full disk; tried again until one is."""
        if self._problem is not None:
            await self._probe()
        return self._problem

    async def _probe(self) -> None:
        try:
            with suppress(ServiceUnavailable):
                async with asyncio.timeout(_PROBE_WITHIN):
                    await self.put(_PROBE, bytes(_PROBE_SIZE))
        except TimeoutError:
            self._problem = "files cannot be kept or read: no answer"

    async def put(self, path: str, content: bytes) -> None:
        async with self._reachable():
            await self._store.put_async(path, content)
        self._problem = None

    async def get(self, path: str) -> bytes | None:
        """The file's content, or None when there is no such file, or none can be called so (`../x`)."""
        async with self._reachable():
            with suppress(*_ABSENT, ValueError):
                result = await self._store.get_async(path)
                return bytes(await result.bytes_async())
        return None

    async def delete(self, path: str) -> None:
        """Remove a file; one that is not there is no error."""
        async with self._reachable():
            with suppress(*_ABSENT):
                await self._store.delete_async(path)

    @asynccontextmanager
    async def _reachable(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_WITHIN):
                yield
        except (BaseError, OSError) as error:
            reason = _reason(error)
            self._problem = f"files cannot be kept or read: {reason}"
            log.error("the media store failed", extra={"reason": reason})
            raise ServiceUnavailable("The media store is not available, try again later.") from error


def _reason(error: Exception) -> str:
    """Why, without the name of the file, which an error's text has: whoever knows a photo's name may see it."""
    of_system = _OF_SYSTEM.search(str(error))
    return os.strerror(int(of_system[1])) if of_system else type(error).__name__


def _open(url: str, options: Mapping[str, str]) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(Path(unquote(parts.path)), mkdir=True)
    # An endpoint that is named and not encrypted is one's own, in one's own network.
    plain = options.get("endpoint", "").startswith("http://")
    return from_url(
        url,
        config=cast("Any", dict(options)),
        client_options={
            "allow_http": plain,
            "connect_timeout": "2s",
            "timeout": f"{_TRY_SECONDS}s",
            "pool_idle_timeout": f"{tcp.REUSE_SECONDS:.0f}s",
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=_WITHIN)},
    )
