"""Locks on keys, shared by all replicas: PostgreSQL's session-level advisory locks.

The server ends a session that is idle for ten seconds, and releases its locks. A process that vanishes without closing
its connection therefore blocks others for at most ten seconds.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from cv_common.kernel import tasks
from cv_common.kernel.database import DATABASE_UNAVAILABLE, Connection, connect_directly

log = logging.getLogger(__name__)

_TRY_LOCK = b"select pg_try_advisory_lock(hashtextextended(%s, 0))"
_UNLOCK = b"select pg_advisory_unlock(hashtextextended(%s, 0))"
_RETRY_SECONDS = 0.05
_PING_INTERVAL_SECONDS = 2.0
_SESSION_OPTIONS = "-c idle_session_timeout=10000"
_ANSWER_SECONDS = 3.0
"""Shorter than elsewhere, because no statement here waits for a lock."""


class LockTimeout(Exception):
    """Another process held the lock for the whole timeout."""


class KeyLocks:
    """Locks of one database session. They do not exclude each other: use a key in one task at a time."""

    name = "locks"

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._pinging: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the pings. The connection is opened when a lock is first needed, and again after it is lost."""
        self._pinging = asyncio.create_task(self._keep_pinging(), name="lock pings")

    async def stop(self) -> None:
        await tasks.cancel_and_wait(self._pinging)
        if self._connection is not None:
            await self._connection.close()

    async def check(self) -> str | None:
        """Return None: the component `database` reports a database that is down."""
        return None

    @asynccontextmanager
    async def hold(self, key: str, seconds: float) -> AsyncIterator[None]:
        """Hold the lock of `key` in the block. Raises LockTimeout if it is not free within so many seconds."""
        await self._acquire(key, seconds)
        try:
            yield
        finally:
            with suppress(*DATABASE_UNAVAILABLE):  # the lock ends with the lost session
                await self._run(_UNLOCK, key)

    async def _acquire(self, key: str, seconds: float) -> None:
        """Poll for the lock. The deadline is checked between tries: a try that is canceled may have taken the lock."""
        deadline = time.monotonic() + seconds
        while True:
            if await self._try_lock(key):
                return
            if time.monotonic() > deadline:
                raise LockTimeout(key)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _try_lock(self, key: str) -> bool:
        """Try to take the lock, a second time on a new connection if the first connection is lost."""
        try:
            return await self._run(_TRY_LOCK, key)
        except DATABASE_UNAVAILABLE:
            return await self._run(_TRY_LOCK, key)

    async def _keep_pinging(self) -> None:
        while True:
            await asyncio.sleep(_PING_INTERVAL_SECONDS)
            if self._connection is not None and not self._connection.closed:
                try:
                    await self._connection.ping()
                except DATABASE_UNAVAILABLE as error:
                    log.warning("lost the database connection that holds locks", extra={"error": type(error).__name__})
                except Exception:
                    log.exception("ping of the lock connection failed")

    async def _run(self, sql: bytes, key: str) -> bool:
        async with self._connecting:
            if self._connection is None or self._connection.closed:
                self._connection = await connect_directly(self._url, _SESSION_OPTIONS)
                self._connection.answer_seconds = _ANSWER_SECONDS
        cursor = await self._connection.execute(sql, (key,))
        row = await cursor.fetchone()
        return row is not None and bool(row[0])
