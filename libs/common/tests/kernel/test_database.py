"""The database: statements, transactions and outages."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from select import select as select_readable
from typing import Any

import psycopg
import pytest
from cv_common.kernel.database import (
    DATABASE_UNAVAILABLE,
    Database,
    Query,
    Scalar,
    Statement,
    Transaction,
    connect_directly,
)
from cv_testing.postgres import Postgres
from cv_testing.serving import eventually
from cv_testing.tcp_proxy import TcpProxy, proxied
from psycopg.types.json import Jsonb
from sqlalchemy import bindparam, delete, func, insert, literal_column, select, update

from libs.common.tests.conftest import notes

ADD = Statement(insert(notes).values(id=bindparam("note_id"), text=bindparam("text")))
ADD_WHOLE = Statement(insert(notes).values({column.name: bindparam(column.name) for column in notes.columns}))


@dataclass(frozen=True)
class Note:
    id: int
    text: str | None
    parts: Any
    changed_at: datetime | None
    revision: int | None


ONE = Query(select(notes).where(notes.c.id == bindparam("note_id")), Note)
TEXTS = Scalar(select(notes.c.text).order_by(notes.c.id), str)
FORGET_TEXT = Statement(update(notes).where(notes.c.id == bindparam("note_id")).values(text=None, revision=7))
NAMED = Scalar(select(notes.c.id).where(notes.c.text.like("100%"), notes.c.id < 50).limit(2), int)
REMOVE = Statement(delete(notes))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, pool_size=4)
    await opened.start()
    yield opened
    await opened.stop()


async def texts(database: Database) -> list[str | None]:
    async with database.connection() as tx:
        return list(await tx.fetch_all(TEXTS))


async def test_statements_combine_constants_and_parameters(database: Database) -> None:
    async with database.connection() as tx:
        for number, text in enumerate(["100% done", "100 days", "10", None]):
            assert await tx.execute(ADD, note_id=number, text=text) == 1
        assert await tx.fetch_all(NAMED) == [0, 1]
        assert await tx.execute(FORGET_TEXT, note_id=1) == 1
        assert await tx.fetch_one(ONE, note_id=1) == Note(1, None, None, None, 7)
        assert await tx.fetch_one(ONE, note_id=99) is None
        assert await tx.execute(REMOVE) == 4


async def test_values_are_not_interpreted_as_sql(database: Database) -> None:
    nasty = "'); drop table notes; -- %s %(x)s {x} \\"
    async with database.connection() as tx:
        await tx.execute(ADD, note_id=1, text=nasty)
    assert await texts(database) == [nasty]


async def test_values_survive_a_round_trip(database: Database) -> None:
    moment = datetime(2026, 1, 31, 12, 30, 15, tzinfo=UTC)
    parts = {"a": [1, 2.5, None, True, "é"], "b": {}, "c": 12345678901234567890123}
    async with database.connection() as tx:
        await tx.execute(ADD_WHOLE, id=1, text="😀", parts=Jsonb(parts), changed_at=moment, revision=2**62)
        note = await tx.fetch_one(ONE, note_id=1)
    assert note == Note(1, "😀", parts, moment, 2**62)
    assert note.changed_at is not None
    assert note.changed_at.utcoffset() == moment.utcoffset()


async def test_a_transaction_is_atomic(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(ADD, note_id=1, text="kept")
        assert await texts(database) == [], "not visible before the commit"

    async def fail(fault: Exception) -> None:
        async with database.transaction() as tx:
            await tx.execute(ADD, note_id=2, text="lost")
            raise fault

    async def clash() -> None:
        async with database.transaction() as tx:
            await tx.execute(ADD, note_id=3, text="lost")
            await tx.execute(ADD, note_id=1, text="twice")

    with pytest.raises(ZeroDivisionError):
        await fail(ZeroDivisionError())
    with pytest.raises(psycopg.errors.UniqueViolation):
        await clash()
    assert await texts(database) == ["kept"]


async def test_a_lock_blocks_others_with_the_same_key(database: Database) -> None:
    order: list[str] = []
    locked = asyncio.Event()

    async def first() -> None:
        async with database.transaction() as tx:
            await tx.lock("session", "a")
            locked.set()
            await eventually(lambda: "other key" in order)
            order.append("first")

    async def later(key: str, name: str) -> None:
        await locked.wait()
        async with database.transaction() as tx:
            await tx.lock("session", key)
            order.append(name)

    await asyncio.gather(first(), later("a", "same key"), later("b", "other key"))
    assert order == ["other key", "first", "same key"]


async def test_a_canceled_task_leaves_a_usable_connection(database: Database, database_url: str) -> None:
    slow = Statement(select(func.pg_sleep(30)))

    async def sleep(number: int) -> None:
        async with database.transaction() as tx:
            await tx.execute(ADD, note_id=number, text="lost")
            await tx.execute(slow)

    async with await connect_directly(database_url) as onlooker:

        async def all_sleep() -> bool:
            asleep = await onlooker.execute(
                "select 1 from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
            )
            return len(await asleep.fetchall()) == 4

        sleepers = [asyncio.create_task(sleep(number)) for number in range(4)]
        await eventually(all_sleep)
    for sleeper in sleepers:
        sleeper.cancel()
    await asyncio.gather(*sleepers, return_exceptions=True)
    assert await asyncio.gather(*(texts(database) for _ in range(8))) == [[]] * 8


async def test_an_outage_is_reported_and_ends(database: Database, database_url: str, postgres: Postgres) -> None:
    assert await database.check() is None
    with postgres.outage(database_url):
        assert "does not answer" in (await database.check() or "")
        with pytest.raises(DATABASE_UNAVAILABLE):
            await texts(database)

    async def is_healthy() -> bool:
        return await database.check() is None

    await eventually(is_healthy)
    assert await asyncio.gather(*(texts(database) for _ in range(8))) == [[]] * 8


async def test_a_migration_during_operation_fails_one_request(database: Database) -> None:
    """psycopg prepares a statement after a few executions, with the column types at that time."""

    async def all_of_them() -> None:
        async with database.connection() as tx:
            await tx.fetch_all(TEXTS)

    for _ in range(30):
        await asyncio.gather(*(all_of_them() for _ in range(4)))
    async with database.connection() as tx:
        await tx.connection.execute("alter table notes alter column text type varchar(500)")
    with pytest.raises(DATABASE_UNAVAILABLE):
        await all_of_them()
    for _ in range(8):
        await asyncio.gather(*(all_of_them() for _ in range(4)))


async def test_a_busy_pool_is_healthy(database: Database) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(database.connection())
        assert await database.ping() is None


@pytest.mark.operations
async def test_recovery_is_fast_after_a_long_outage(database: Database, database_url: str, postgres: Postgres) -> None:
    with postgres.outage(database_url):
        for _ in range(2):
            with pytest.raises(DATABASE_UNAVAILABLE):
                await texts(database)

    async def back() -> bool:
        try:
            return await texts(database) == []
        except DATABASE_UNAVAILABLE:
            return False

    await eventually(back, timeout=5)


async def test_a_broken_connection_replaces_all_connections(database: Database) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(database.connection())
    async with database.connection() as tx:
        await tx.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid != pg_backend_pid()"
        )
        with pytest.raises(psycopg.OperationalError):
            await tx.connection.execute("select pg_terminate_backend(pg_backend_pid()), pg_sleep(10)")
    failures = 0
    for _ in range(5):
        try:
            await texts(database)
        except DATABASE_UNAVAILABLE:
            failures += 1
    assert failures <= 1


async def test_a_full_disk_is_a_problem(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(psycopg.errors.DiskFull):
        async with database.connection() as tx:
            await tx.connection.execute("do $$ begin raise exception 'no space left' using errcode = '53100'; end $$")
    assert await database.check() == "the database has no space left"
    assert await database.ping() is None
    monkeypatch.setattr("cv_common.kernel.database._DISK_FULL_SECONDS", 0)
    assert await database.check() is None


async def test_a_service_starts_without_its_database(database_url: str, postgres: Postgres) -> None:
    database = Database(database_url)
    with postgres.outage(database_url):
        await database.start()
        assert await database.check() is not None

    async def is_healthy() -> bool:
        return await database.check() is None

    await eventually(is_healthy)
    await database.stop()


async def test_requests_wait_for_a_free_connection(database: Database) -> None:
    async def add(number: int) -> None:
        async with database.transaction() as tx:
            await tx.execute(ADD, note_id=number, text=str(number))

    await asyncio.gather(*(add(number) for number in range(50)))
    assert len(await texts(database)) == 50


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[TcpProxy]:
    with proxied(postgres.port) as running:
        yield running


@pytest.fixture
async def remote_database(database_url: str, postgres: Postgres, proxy: TcpProxy) -> AsyncIterator[Database]:
    """Return the database through the proxy, with four idle connections in the pool."""
    opened = Database(database_url.replace(f":{postgres.port}/", f":{proxy.port}/"), pool_size=4)
    await opened.start()
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(opened.connection())
    yield opened
    await opened.stop()


async def test_a_silent_server_is_an_error_and_the_pool_recovers(remote_database: Database, proxy: TcpProxy) -> None:
    async with remote_database.connection() as tx:
        tx.connection.answer_seconds = 0.5
        assert await asyncio.to_thread(proxy.freeze) == 4
        with pytest.raises(DATABASE_UNAVAILABLE):
            await tx.fetch_all(TEXTS)
    assert await asyncio.gather(*(texts(remote_database) for _ in range(8))) == [[]] * 8


async def test_a_silent_server_is_detected_before_an_idle_connection_is_used(
    remote_database: Database, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cv_common.kernel.database._FRESH_SECONDS", 0)
    await asyncio.to_thread(proxy.freeze)
    assert await asyncio.gather(*(texts(remote_database) for _ in range(8))) == [[]] * 8


async def test_a_canceled_statement_ends_although_the_server_is_silent(
    remote_database: Database, proxy: TcpProxy
) -> None:
    async with remote_database.connection() as tx:
        await asyncio.to_thread(proxy.freeze)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await tx.fetch_all(TEXTS)
        assert tx.connection.broken
    assert await texts(remote_database) == []


async def test_a_response_in_time_counts_although_the_process_was_busy(database_url: str) -> None:
    """When the event loop runs again, both the response and the deadline are due."""
    async with await connect_directly(database_url) as connection:
        connection.answer_seconds = 0.2
        statement = asyncio.create_task(connection.execute("select 1"))
        # psycopg signals no event when a statement is sent, so the test polls.
        while connection.info.transaction_status is not psycopg.pq.TransactionStatus.ACTIVE:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert select_readable([connection.fileno()], [], [], 30)[0]
        time.sleep(0.3)  # noqa: ASYNC251 - the loop must not run
        await statement
        connection.answer_seconds = 7
        await connection.execute("select 1")


async def test_a_ping_does_not_change_the_deadline_of_other_statements(database_url: str) -> None:
    """Tasks share the connection that holds locks."""
    async with await connect_directly(database_url) as connection:
        slow = (connection.execute(f"select pg_sleep({seconds})") for seconds in (0.1, 1.5))
        await asyncio.gather(*slow, connection.ping())


async def test_a_database_with_silent_connections_is_healthy(remote_database: Database, proxy: TcpProxy) -> None:
    await asyncio.to_thread(proxy.freeze)
    assert await remote_database.check() is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("idle_in_transaction_session_timeout", "10s"),
        ("lock_timeout", "5s"),
        ("statement_timeout", "6s"),
        ("tcp_keepalives_idle", "3"),
        ("tcp_user_timeout", "5000"),
        ("timezone", "UTC"),
    ],
)
async def test_sessions_have_timeouts(database_url: str, setting: str, value: str) -> None:
    async with await connect_directly(database_url) as connection:
        found = await Transaction(connection).fetch_one(Scalar(select(func.current_setting(setting)), str))
    assert found == value


async def test_a_direct_connection_receives_notifications_at_commit(database_url: str, database: Database) -> None:
    async with await connect_directly(database_url) as listener:
        await listener.execute("listen news")
        async with database.transaction() as tx:
            await tx.execute(Statement(select(func.pg_notify("news", "hello"))))
        payloads = [notice.payload async for notice in listener.notifies(timeout=5, stop_after=1)]
    assert payloads == ["hello"]


@dataclass(frozen=True)
class Counted:
    number: int
    label: str


async def test_rows_become_dataclasses_and_scalars(database: Database) -> None:
    query = Query(select(literal_column("2").label("number"), literal_column("'b'").label("label")), Counted)
    scalar = Scalar(select(literal_column("7").label("seven")), int)
    async with database.connection() as tx:
        assert await tx.fetch_one(query) == Counted(2, "b")
        assert await tx.fetch_all(query) == [Counted(2, "b")]
        assert await tx.fetch_one(scalar) == 7


def test_a_query_must_select_the_fields_of_its_dataclass() -> None:
    with pytest.raises(TypeError, match="Counted has the fields"):
        Query(select(literal_column("2").label("numbr"), literal_column("'b'").label("label")), Counted)
