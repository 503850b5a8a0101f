"""Recovery after a restore: sequences skip ids, and the latest event of each entity is published again."""

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
from cv_common.messaging.events import (
    Event,
    ResumePaymentChanged,
    SessionClaimed,
    SubscriptionChanged,
    TemplateChanged,
)
from cv_common.messaging.republish import recover, republish
from psycopg.rows import dict_row

from libs.common.tests.conftest import components_running

PUBLISHED: list[Event] = [
    ResumePaymentChanged(resume_id=1, paid=False, revision=5),
    ResumePaymentChanged(resume_id=2, paid=True, revision=5),
    SessionClaimed(session_id="s", user_id=1, revision=5),
    SessionClaimed(session_id="t", user_id=1, revision=5),
    TemplateChanged(template_id=1, is_premium=False, is_active=True, revision=5),
    TemplateChanged(template_id=2, is_premium=True, is_active=True, revision=5),
    ResumePaymentChanged(resume_id=1, paid=True, revision=10**14),
]
LATEST = PUBLISHED[1:]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


async def record(database_url: str, *events: Event, published: bool = True) -> None:
    """Record events as a service does, and mark them as its relay does."""
    database = Database(database_url)
    async with components_running(database), database.transaction() as tx:
        for event in events:
            await outbox.record(tx, event)
        if published:
            await tx.connection.execute("update outbox set published_at = now()")


def unpublished(connection: psycopg.Connection) -> list[dict[str, Any]]:
    """Return the events that the relay will publish, in its order."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("select * from outbox where published_at is null order by id").fetchall()


def payload_of(event: Event) -> dict[str, Any]:
    """Return the payload without id and revision."""
    return event.model_dump(mode="json", exclude={"id", "revision"})


async def test_recover_republishes_with_new_ids_and_higher_revisions(
    connection: psycopg.Connection, database_url: str
) -> None:
    await record(database_url, *PUBLISHED)
    assert unpublished(connection) == []
    assert recover(connection) == (2, 6)
    rows = unpublished(connection)
    assert [row["name"] for row in rows] == [event.name for event in LATEST]
    for row, event in zip(rows, LATEST, strict=True):
        payload = dict(row["payload"])
        assert UUID(payload.pop("id")) == row["event_id"] != event.id
        assert payload.pop("revision") > max(event.revision, 1_700_000_000_000)
        assert payload == payload_of(event)


async def test_republish_keeps_revisions(connection: psycopg.Connection, database_url: str) -> None:
    await record(database_url, *PUBLISHED)
    assert republish(connection) == 6
    assert [row["payload"]["revision"] for row in unpublished(connection)] == [event.revision for event in LATEST]


async def test_only_recover_gives_unpublished_events_new_ids(connection: psycopg.Connection, database_url: str) -> None:
    event = SubscriptionChanged(
        user_id=1, session_id=None, status="active", subscription_type="monthly", subscription_end_date=None,
        entitled_until=None, revision=1,
    )  # fmt: skip
    # The backup may be older than the publication of an event that it has as unpublished.
    await record(database_url, event, published=False)
    assert republish(connection) == 0
    assert unpublished(connection)[0]["event_id"] == event.id
    assert recover(connection)[1] == 1
    assert unpublished(connection)[0]["event_id"] != event.id


async def test_recover_advances_sequences(connection: psycopg.Connection) -> None:
    connection.execute("create table things (id bigint generated always as identity, word text)")
    connection.execute("create sequence never_used")
    connection.execute("insert into things (word) values ('a'), ('b')")
    recover(connection, skip=100)
    assert connection.execute("insert into things (word) values ('c') returning id").fetchone() == (103,)
    assert connection.execute("select nextval('never_used')").fetchone() == (101,)


def test_the_command_line_reports_counts(connection: psycopg.Connection, database_url: str) -> None:
    connection.execute("drop table outbox")
    connection.execute("create sequence numbers")
    # A role may limit the time of its statements.
    connection.execute("alter role current_user set statement_timeout = '1ms'")
    for arguments, output in (
        (["recover", "--skip", "7"], "advanced 2 sequences by 7 ids\nrepublished 0 events\n"),
        (["republish"], "republished 0 events\n"),
    ):
        command = [sys.executable, "-m", "cv_common.messaging.republish", *arguments]
        environment = {**os.environ, "DATABASE_URL": database_url}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == output
    assert connection.execute("select nextval('numbers')").fetchone() == (8,)
