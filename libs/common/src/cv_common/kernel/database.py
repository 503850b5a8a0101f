"""PostgreSQL: SQLAlchemy Core statements, compiled once at import and executed by psycopg and its pool.

SQLAlchemy describes tables, builds SQL and migrates. On the request path only psycopg runs, which serves about 1.7
times the requests of SQLAlchemy's connections (see `docs/decisions/`).

A `Statement` returns no rows, a `Query` returns instances of a dataclass, and a `Scalar` the values of its column:

    _GET = Query(select(resumes.c.id, resumes.c.title).where(resumes.c.id == bindparam("resume_id")), ResumeTitle)
    _COUNT = Scalar(select(func.count()).select_from(resumes), int)
    _RENAME = Statement(update(resumes).where(resumes.c.id == bindparam("resume_id")).values(title=bindparam("title")))

    async with database.transaction() as tx:
        await tx.execute(_RENAME, resume_id=1, title="Engineer")    # 1, the number of changed rows
        resume = await tx.fetch_one(_GET, resume_id=1)              # ResumeTitle(id=1, title="Engineer") or None
        count = await tx.fetch_one(_COUNT)                          # 3
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import fields, is_dataclass
from typing import Any, Generic, TypeVar

import psycopg
from psycopg import AsyncCursor
from psycopg.abc import PQGen
from psycopg.pq.abc import PGconn
from psycopg.rows import AsyncRowFactory, TupleRow, class_row, scalar_row, tuple_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy import Executable, create_mock_engine
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement, KeyedColumnElement
from sqlalchemy.sql.selectable import ReturnsRows

from cv_common.kernel import tcp
from cv_common.kernel.metrics import POOL
from cv_common.kernel.serialization import dump_json, load_json

log = logging.getLogger(__name__)

set_json_loads(load_json)
set_json_dumps(dump_json)

Result = TypeVar("Result")
Record = TypeVar("Record")
Record_co = TypeVar("Record_co", covariant=True)

DATABASE_UNAVAILABLE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
"""Raised when the database cannot be reached or shuts down: a temporary failure."""

_DIALECT = create_mock_engine("postgresql+psycopg://", lambda *_: None).dialect
_DISK_FULL_SECONDS = 60.0
"""Seconds that the database counts as full after its last error about that."""

ANSWER_SECONDS = 7.0
"""Seconds after which an unanswered statement breaks its connection. The server cancels statements after 6
(`statement_timeout`). The gateway waits 10 seconds for a response."""
_CANCEL_SECONDS = 2.0
"""Seconds that a canceled statement may take to end."""
_PING_SECONDS = 1.0
_FRESH_SECONDS = 1.0
"""Seconds after a response during which the pool lends a connection without a ping."""

CLIENT_TCP = {
    "keepalives_idle": tcp.KEEPALIVE_IDLE_SECONDS,
    "keepalives_interval": tcp.KEEPALIVE_INTERVAL_SECONDS,
    "keepalives_count": tcp.KEEPALIVE_PROBES,
    "tcp_user_timeout": tcp.USER_TIMEOUT_SECONDS * 1000,
}
"""Connection parameters with which the client detects a vanished server."""
SERVER_TCP = (
    f"-c tcp_keepalives_idle={tcp.KEEPALIVE_IDLE_SECONDS} -c tcp_keepalives_interval={tcp.KEEPALIVE_INTERVAL_SECONDS}"
    f" -c tcp_keepalives_count={tcp.KEEPALIVE_PROBES} -c tcp_user_timeout={tcp.USER_TIMEOUT_SECONDS * 1000}"
)
"""Session options with which the server detects a vanished client and releases its locks."""
_SESSION_OPTIONS = (
    "-c timezone=UTC -c idle_in_transaction_session_timeout=10000 -c lock_timeout=5000 -c statement_timeout=6000 "
    + SERVER_TCP
)
_CONNECT_SECONDS = 3


class Connection(psycopg.AsyncConnection[TupleRow]):
    """A connection that breaks when the server does not answer in time.

    psycopg waits without limit for a response, and up to ten seconds after a cancellation. Shutting the socket down
    ends both waits with the error of a lost connection.
    """

    def __init__(self, pgconn: PGconn, row_factory: AsyncRowFactory[TupleRow] = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self.opened_at = self.answered_at = time.monotonic()
        self.answer_seconds = ANSWER_SECONDS
        self._watchdog: asyncio.Handle | None = None

    async def ping(self) -> None:
        """Raise OperationalError and break the connection unless the server answers within a second."""
        async with self.lock:
            await self._wait_at_most(_PING_SECONDS, self._exec_command(b"select 1"))

    async def wait(self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None) -> Result:
        """Wait for a response. Every method of psycopg calls this."""
        if timeout is not None:  # waiting for notifications, which may never come
            return await super().wait(gen, interval, timeout)
        return await self._wait_at_most(self.answer_seconds, gen, interval)

    async def _wait_at_most(self, seconds: float, gen: PQGen[Result], interval: float = 0.1) -> Result:
        self._watch(seconds)
        try:
            response = await super().wait(gen, interval)
        finally:
            self._unwatch()
        self.answered_at = time.monotonic()
        return response

    async def cancel_safe(self, *, timeout: float = _CANCEL_SECONDS) -> None:
        """Cancel the running statement. psycopg calls this when the task that waits for it is canceled."""
        self._unwatch()
        self._watch(_CANCEL_SECONDS)
        await super().cancel_safe(timeout=min(timeout, _CANCEL_SECONDS))

    def _watch(self, seconds: float) -> None:
        self._watchdog = asyncio.get_running_loop().call_later(seconds, self._on_timeout)

    def _unwatch(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()

    def _on_timeout(self) -> None:
        # If a response arrived while the loop was busy, its reader runs in the same turn, before `_break`.
        self._watchdog = asyncio.get_running_loop().call_soon(self._break)

    def _break(self) -> None:
        log.warning("the database does not answer on a connection, closing it")
        # Shut a duplicate down: psycopg still waits on the descriptor. Both calls fail if the connection is closed.
        with suppress(psycopg.OperationalError, OSError), socket.socket(fileno=os.dup(self.fileno())) as duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)


class Statement:
    """A compiled SQLAlchemy Core statement: its SQL text and the values of its constants."""

    __slots__ = ("_constants", "sql")

    def __init__(self, clause: Executable) -> None:
        assert isinstance(clause, ClauseElement)
        compiled = clause.compile(dialect=_DIALECT)
        assert isinstance(compiled, SQLCompiler)
        self.sql = str(compiled).encode()
        self._constants = {
            name: parameter.effective_value for parameter, name in compiled.bind_names.items() if not parameter.required
        }

    def bind(self, values: Mapping[str, object]) -> Mapping[str, object]:
        """Return `values` together with the constants."""
        return {**self._constants, **values} if self._constants else values


class Query(Statement, Generic[Record_co]):
    """A statement whose rows become instances of `record`, a dataclass with one field for each selected column.

    Raises TypeError at import when the names of the columns and of the fields differ.
    """

    __slots__ = ("row_factory",)

    def __init__(self, clause: Executable, record: type[Record_co]) -> None:
        super().__init__(clause)
        assert is_dataclass(record)
        columns = [str(column.key) for column in _columns(clause)]
        names = [field.name for field in fields(record)]
        if sorted(columns) != sorted(names):
            raise TypeError(f"{record.__name__} has the fields {sorted(names)}, the statement {sorted(columns)}")
        self.row_factory: AsyncRowFactory[Record_co] = class_row(record)


class Scalar(Query[Record_co]):
    """A statement with one column, whose rows become values of `record`, such as `int` or `str`."""

    __slots__ = ()

    def __init__(self, clause: Executable, record: type[Record_co]) -> None:
        Statement.__init__(self, clause)
        if len(_columns(clause)) != 1:
            raise TypeError(f"a statement with several columns does not return a {record.__name__}")
        self.row_factory = scalar_row


def _columns(clause: Executable) -> Sequence[KeyedColumnElement[Any]]:
    """Return the columns of a SELECT, or of the RETURNING clause of another statement."""
    if isinstance(clause, ReturnsRows):
        return list(clause.exported_columns)
    raise TypeError("the statement returns no rows")


class Transaction:
    """A connection that executes statements. The context manager that created it commits or rolls back."""

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def fetch_one(self, query: Query[Record], **values: object) -> Record | None:
        """Return the first record, or None."""
        return await (await self._cursor(query, values)).fetchone()

    async def fetch_all(self, query: Query[Record], **values: object) -> list[Record]:
        """Return all records."""
        return await (await self._cursor(query, values)).fetchall()

    async def _cursor(self, query: Query[Record], values: Mapping[str, object]) -> AsyncCursor[Record]:
        cursor = self.connection.cursor(row_factory=query.row_factory)
        return await cursor.execute(query.sql, query.bind(values))

    async def execute(self, statement: Statement, **values: object) -> int:
        """Execute the statement. Returns the number of rows that it inserted, updated or deleted."""
        cursor = await self.connection.execute(statement.sql, statement.bind(values))
        return cursor.rowcount

    async def lock(self, *key: object) -> None:
        """Wait for the advisory lock of `key` and hold it until this transaction ends."""
        name = ":".join(str(part) for part in key)
        await self.connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


class Database:
    """A pool of connections to the service's database."""

    name = "database"

    def __init__(self, url: str, pool_size: int = 16) -> None:
        self._url = url
        self._full_at: float | None = None
        self._drained_at = float("-inf")
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=Connection,
            kwargs=_parameters(_SESSION_OPTIONS),
            check=self._check,
            min_size=2,
            max_size=pool_size,
            timeout=4,
            # Short, so that the next request connects again: the pool doubles its own delay with each failure.
            reconnect_timeout=1,
            max_lifetime=3600,
            open=False,
        )

    async def start(self) -> None:
        """Open the pool without waiting: a database that is down makes the service unhealthy, not crash."""
        await self._pool.open(wait=False)

    async def stop(self) -> None:
        await self._pool.close(timeout=2)

    async def check(self) -> str | None:
        """Return why the database cannot be used, or None. It may not answer, or have no space left."""
        is_full = self._full_at is not None and time.monotonic() < self._full_at + _DISK_FULL_SECONDS
        return await self.ping() or ("the database has no space left" if is_full else None)

    async def ping(self) -> str | None:
        """Return why the database does not answer, or None."""
        statistics = self._pool.get_stats()
        for of, name in (("all", "pool_size"), ("idle", "pool_available"), ("waiting", "requests_waiting")):
            POOL.labels(of).set(statistics.get(name, 0))
        try:
            try:
                async with self._pooled(1) as connection:
                    await connection.ping()
            except DATABASE_UNAVAILABLE:  # the connection is broken, or all are in use; the database may be well
                async with asyncio.timeout(2):
                    await (await connect_directly(self._url)).close()
        except (*DATABASE_UNAVAILABLE, TimeoutError) as error:
            return f"the database does not answer: {type(error).__name__}"
        return None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Transaction]:
        """Yield a Transaction whose statements are committed one by one (autocommit)."""
        async with self._pooled() as connection:
            yield Transaction(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Yield a Transaction. Commits when the block ends, rolls back if it raises."""
        async with self._pooled() as connection, connection.transaction():
            yield Transaction(connection)

    async def _check(self, connection: Connection) -> None:
        """Check a connection before the pool lends it. Raises OperationalError if it is broken."""
        if time.monotonic() - connection.answered_at < _FRESH_SECONDS:
            return
        try:
            await connection.ping()
        finally:
            await self._drain_if_broken(connection)

    async def _drain_if_broken(self, connection: Connection) -> None:
        """Replace all connections if this one is broken: each of the others would fail another request."""
        if connection.broken and connection.opened_at > self._drained_at:
            self._drained_at = time.monotonic()
            await self._pool.drain()

    @asynccontextmanager
    async def _pooled(self, seconds: float | None = None) -> AsyncIterator[Connection]:
        async with self._pool.connection(seconds) as connection:
            try:
                yield connection
            except psycopg.errors.FeatureNotSupported as error:
                if error.diag.source_function != "RevalidateCachedQuery":
                    raise
                # A migration changed the type of a column, so PostgreSQL rejects the statements prepared before.
                await self._pool.drain()
                raise psycopg.OperationalError(str(error)) from error
            except psycopg.OperationalError as error:
                if isinstance(error, psycopg.errors.DiskFull):
                    self._full_at = time.monotonic()
                raise
            finally:
                await self._drain_if_broken(connection)


async def connect_directly(url: str, options: str = "") -> Connection:
    """Open a connection outside the pool, for LISTEN and session-level locks. `options`: more session options."""
    return await Connection.connect(url, **_parameters(f"{_SESSION_OPTIONS} {options}"))


def _parameters(options: str) -> dict[str, Any]:
    return {"autocommit": True, "options": options, "connect_timeout": _CONNECT_SECONDS, **CLIENT_TCP}
