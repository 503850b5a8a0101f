"""Locks on keys that all replicas respect, longer than a transaction and never longer than the process.

The server ends the session, and with it the locks, when it receives nothing for ten seconds: a process or a network
that vanished silently blocks nobody for longer.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from cv_common.kernel import tasks
from cv_common.kernel.database import DATABASE_UNAVAILABLE, Connection, connect_directly

log = logging.getLogger(__name__)

_TRY = b"select pg_try_advisory_lock(hashtextextended(%s, 0)) as done"
_RELEASE = b"select pg_advisory_unlock(hashtextextended(%s, 0)) as done"
_BETWEEN_TRIES = 0.05
_PING_EVERY_SECONDS = 2.0
_SESSION_OPTIONS = "-c idle_session_timeout=10000"
_ANSWER_SECONDS = 3.0
"""No statement here waits for anything, so silence is noticed sooner than elsewhere."""


class LockHeld(Exception):
    """Another process holds the lock and does not let go of it in time."""


class KeyLocks:
    """Session locks of one connection. Within this process a key must be asked for by one task at a time."""

    name = "locks"

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._pinging: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """The connection is made when it is first needed, and again when it was lost."""
        self._pinging = asyncio.create_task(self._keep_pinging(), name="pings of the locks")

    async def stop(self) -> None:
        await tasks.cancel_and_wait(self._pinging)
        if self._connection is not None:
            await self._connection.close()

    async def check(self) -> str | None:
        """A database that is away is the database's problem."""
        return None

    @asynccontextmanager
    async def held(self, key: str, patience: float) -> AsyncIterator[None]:
        """Hold the lock of `key` in the block. Raises LockHeld when others hold it for `patience` seconds."""
        await self._acquire(key, patience)
        try:
            yield
        finally:
            with suppress(*DATABASE_UNAVAILABLE):  # a lost connection has released it
                await self._run(_RELEASE, key)

    async def _acquire(self, key: str, patience: float) -> None:
        """Try until it is ours. A try is never cancelled half-way: we would not know whether we hold the lock."""
        deadline = time.monotonic() + patience
        while True:
            if await self._try(key):
                return
            if time.monotonic() > deadline:
                raise LockHeld(key)
            await asyncio.sleep(_BETWEEN_TRIES)

    async def _try(self, key: str) -> bool:
        """Try to take the lock, and again on a new connection if the first is lost; its session ends with its locks."""
        try:
            return await self._run(_TRY, key)
        except DATABASE_UNAVAILABLE:
            return await self._run(_TRY, key)

    async def _keep_pinging(self) -> None:
        while True:
            await asyncio.sleep(_PING_EVERY_SECONDS)
            if self._connection is not None and not self._connection.closed:
                try:
                    await self._connection.ping()
                except DATABASE_UNAVAILABLE as error:
                    log.warning("the connection of the locks was lost", extra={"error": type(error).__name__})
                except Exception:
                    log.exception("a ping of the locks failed, the next one follows")

    async def _run(self, sql: bytes, key: str) -> bool:
        async with self._connecting:
            if self._connection is None or self._connection.closed:
                self._connection = await connect_directly(self._url, _SESSION_OPTIONS)
                self._connection.answer_seconds = _ANSWER_SECONDS
        cursor = await self._connection.execute(sql, (key,))
        row = await cursor.fetchone()
        return row is not None and bool(row["done"])
