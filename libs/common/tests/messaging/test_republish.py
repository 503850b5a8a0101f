"""After a restore: ids that others may know are skipped, and what was told is told again, once for each thing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cv_common.kernel.database import Database
from cv_common.messaging import outbox
from cv_common.messaging.events import Event, ResumePaymentChanged, SessionClaimed, SubscriptionChanged
from cv_common.messaging.republish import recover, republish
from psycopg.rows import dict_row

from libs.common.tests.conftest import parts_running

TOLD: list[Event] = [
    ResumePaymentChanged(resume_id=1, paid=False, revision=5),
    ResumePaymentChanged(resume_id=2, paid=True, revision=5),
    SessionClaimed(session_id="s", user_id=1, revision=5),
    SessionClaimed(session_id="t", user_id=1, revision=5),
    ResumePaymentChanged(resume_id=1, paid=True, revision=10**14),
]
LAST_OF_EACH = TOLD[1:]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


async def tell(database_url: str, *events: Event, published: bool = True) -> None:
    """As a service and its relay do it."""
    database = Database(database_url)
    async with parts_running(database), database.transaction() as tx:
        for event in events:
            await outbox.record(tx, event)
        if published:
            await tx.connection.execute("update outbox set published_at = now()")


def waiting(connection: psycopg.Connection) -> list[dict[str, Any]]:
    """The events that the relay will publish, in its order."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("select * from outbox where published_at is null order by id").fetchall()


def payload_of(event: Event) -> dict[str, Any]:
    """What an event says, without its number and revision."""
    return event.model_dump(mode="json", exclude={"id", "revision"})


async def test_what_was_told_last_of_each_thing_is_told_again_as_a_new_event_above_all_revisions(
    connection: psycopg.Connection, database_url: str
) -> None:
    await tell(database_url, *TOLD)
    assert waiting(connection) == []
    assert recover(connection) == (2, 4)
    rows = waiting(connection)
    assert [row["name"] for row in rows] == [event.name for event in LAST_OF_EACH]
    for row, event in zip(rows, LAST_OF_EACH, strict=True):
        said = dict(row["payload"])
        assert UUID(said.pop("id")) == row["event_id"] != event.id
        assert said.pop("revision") > max(event.revision, 1_700_000_000_000)
        assert said == payload_of(event)


async def test_for_another_service_it_is_told_under_the_same_revision(
    connection: psycopg.Connection, database_url: str
) -> None:
    await tell(database_url, *TOLD)
    assert republish(connection) == 4
    assert [row["payload"]["revision"] for row in waiting(connection)] == [event.revision for event in LAST_OF_EACH]


async def test_an_event_that_waits_has_a_new_number_only_if_the_backup_may_be_older_than_its_publication(
    connection: psycopg.Connection, database_url: str
) -> None:
    event = SubscriptionChanged(
        user_id=1, session_id=None, status="active", subscription_type="monthly", subscription_end_date=None,
        entitled_until=None, revision=1,
    )  # fmt: skip
    await tell(database_url, event, published=False)
    assert republish(connection) == 0
    assert waiting(connection)[0]["event_id"] == event.id
    assert recover(connection)[1] == 1
    assert waiting(connection)[0]["event_id"] != event.id


async def test_ids_that_may_have_been_given_out_are_skipped(connection: psycopg.Connection) -> None:
    connection.execute("create table things (id bigint generated always as identity, word text)")
    connection.execute("create sequence never_used")
    connection.execute("insert into things (word) values ('a'), ('b')")
    recover(connection, skip=100)
    assert connection.execute("insert into things (word) values ('c') returning id").fetchone() == (103,)
    assert connection.execute("select nextval('never_used')").fetchone() == (101,)


def test_the_command_says_what_it_did(connection: psycopg.Connection, database_url: str) -> None:
    """Also where the role's statements are limited, as behind PgBouncer."""
    connection.execute("drop table outbox")
    connection.execute("create sequence numbers")
    connection.execute("alter role current_user set statement_timeout = '1ms'")
    for words, said in (
        (["recover", "--skip", "7"], "2 sequences skipped 7 ids\n0 events are told again\n"),
        (["retell"], "0 events are told again\n"),
    ):
        command = [sys.executable, "-m", "cv_common.messaging.republish", *words]
        environment = {**os.environ, "DATABASE_URL": database_url}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == said
    assert connection.execute("select nextval('numbers')").fetchone() == (8,)
