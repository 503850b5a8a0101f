"""PostgreSQL: statements written in SQLAlchemy Core, compiled once at import, run by psycopg's own pool.

SQLAlchemy describes tables, builds SQL and migrates; on the request path only psycopg runs, which serves about
1.7 times the requests of SQLAlchemy's own connection (see `docs/decisions/`).

    _GET = Statement(select(resumes).where(resumes.c.id == bindparam("resume_id")))

    async with database.transaction() as tx:
        row = await tx.one(_GET, resume_id=1)       # {"id": 1, ...} or None
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy import Executable, create_mock_engine
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from cv_common.metrics import POOL
from cv_common.responses import dump_json, load_json

set_json_loads(load_json)
set_json_dumps(dump_json)

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[DictRow]

DatabaseDown = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
"""What is raised when the database cannot be reached or is going away: a passing fault."""

_DIALECT = create_mock_engine("postgresql+psycopg://", lambda *_: None).dialect
_FULL_FOR = 60.0
"""Seconds that a database counts as full after it last said so."""
_SESSION = "-c timezone=UTC -c idle_in_transaction_session_timeout=10000 -c lock_timeout=5000"


class Statement:
    """A SQLAlchemy Core statement as the SQL text psycopg runs, with its constants."""

    __slots__ = ("_constants", "sql")

    def __init__(self, clause: Executable) -> None:
        assert isinstance(clause, ClauseElement)
        compiled = clause.compile(dialect=_DIALECT)
        assert isinstance(compiled, SQLCompiler)
        self.sql = str(compiled).encode()
        self._constants = {
            name: parameter.effective_value for parameter, name in compiled.bind_names.items() if not parameter.required
        }

    def bind(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**self._constants, **values} if self._constants else values


class Transaction:
    """Statements on one connection. Commit and rollback belong to whoever opened it."""

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def one(self, statement: Statement, **values: Any) -> Row | None:
        """The first row, or None."""
        cursor = await self.connection.execute(statement.sql, statement.bind(values))
        return await cursor.fetchone()

    async def all(self, statement: Statement, **values: Any) -> list[Row]:
        """Every row, in order."""
        cursor = await self.connection.execute(statement.sql, statement.bind(values))
        return await cursor.fetchall()

    async def run(self, statement: Statement, **values: Any) -> int:
        """How many rows the statement touched."""
        cursor = await self.connection.execute(statement.sql, statement.bind(values))
        return cursor.rowcount

    async def lock(self, *key: object) -> None:
        """Wait for the advisory lock of `key`, held until this transaction ends."""
        name = ":".join(str(part) for part in key)
        await self.connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


class Database:
    """A pool of connections to the service's own database."""

    name = "database"

    def __init__(self, url: str, pool_size: int = 16) -> None:
        self._url = url
        self._full_at: float | None = None
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=psycopg.AsyncConnection[DictRow],
            kwargs={"autocommit": True, "row_factory": dict_row, "options": _SESSION, "connect_timeout": 5},
            min_size=2,
            max_size=pool_size,
            timeout=4,
            # Given up soon, so that the next request tries again: the pool's own pauses double with each failure.
            reconnect_timeout=1,
            max_lifetime=3600,
            open=False,
        )

    async def start(self) -> None:
        """Open the pool without waiting: a database that is down is said by health, not by a crash loop."""
        await self._pool.open(wait=False)

    async def stop(self) -> None:
        await self._pool.close(timeout=2)

    async def problem(self) -> str | None:
        """Why the database cannot be used, or None: it does not answer, or keeps nothing more."""
        is_full = self._full_at is not None and time.monotonic() < self._full_at + _FULL_FOR
        return await self.silence() or ("the database has no space left" if is_full else None)

    async def silence(self) -> str | None:
        """Why the database does not answer, or None."""
        figures = self._pool.get_stats()
        for of, figure in (("all", "pool_size"), ("idle", "pool_available"), ("waiting", "requests_waiting")):
            POOL.labels(of).set(figures.get(figure, 0))
        try:
            try:
                async with asyncio.timeout(1), self._pool.connection() as connection:
                    await connection.execute("select 1")
            except (PoolTimeout, TimeoutError):  # all connections may be in use: who is busy is not silent
                async with asyncio.timeout(2):
                    await (await connect_directly(self._url)).close()
        except (*DatabaseDown, TimeoutError) as error:
            return f"the database does not answer: {type(error).__name__}"
        return None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Transaction]:
        """Single statements, each committed by itself."""
        async with self._pooled() as connection:
            yield Transaction(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Statements that take effect together, when the block ends without an exception."""
        async with self._pooled() as connection, connection.transaction():
            yield Transaction(connection)

    @asynccontextmanager
    async def _pooled(self) -> AsyncIterator[Connection]:
        """A connection of the pool. One that turns out to be broken takes the others with it: where the server was
        restarted, each of them would fail a request of its own."""
        async with self._pool.connection() as connection:
            try:
                yield connection
            except psycopg.errors.FeatureNotSupported as error:
                if error.diag.source_function != "RevalidateCachedQuery":
                    raise
                # A migration gave a column another type, and PostgreSQL goes on with no statement prepared before.
                await self._pool.drain()
                raise psycopg.OperationalError(str(error)) from error
            except psycopg.OperationalError as error:
                if isinstance(error, psycopg.errors.DiskFull):
                    self._full_at = time.monotonic()
                if connection.broken:
                    await self._pool.drain()
                raise


async def connect_directly(url: str) -> Connection:
    """One connection of its own, for LISTEN and for locks that outlive a transaction."""
    return await psycopg.AsyncConnection[DictRow].connect(
        url, autocommit=True, row_factory=dict_row, options=_SESSION, connect_timeout=5
    )
