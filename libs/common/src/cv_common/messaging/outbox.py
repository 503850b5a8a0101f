"""The outbox: events written in the transaction of the change that they report, then published to NATS.

    async with database.transaction() as tx:
        await repository.delete(tx, resume_id)
        await outbox.record(tx, ResumeDeleted(resume_id=resume_id, revision=next_revision(0)))

PostgreSQL is the record and NATS the transport: rows stay for 30 days, so that a lost stream can be rebuilt with
`update outbox set published_at = null where occurred_at > …`. One replica at a time publishes, in the order of ids. It
holds an advisory lock for the length of a transaction; a frozen replica loses it after ten seconds.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import psycopg
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    MetaData,
    String,
    Table,
    Uuid,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from cv_common.kernel.database import (
    DATABASE_UNAVAILABLE,
    Connection,
    Query,
    Scalar,
    Statement,
    Transaction,
    connect_directly,
)
from cv_common.kernel.logs import request_id
from cv_common.kernel.metrics import OUTBOX_OLDEST
from cv_common.kernel.tasks import BackgroundTask
from cv_common.messaging.broker import Broker, BrokerUnavailable
from cv_common.messaging.events import Event

log = logging.getLogger(__name__)

_MAX_BATCH_SECONDS = 3.0
"""Seconds after which a transaction publishes no further event. With the 5 seconds of the last publish it stays below
the database's `idle_in_transaction_session_timeout`, which would undo the marks of confirmed events."""


def outbox_table(metadata: MetaData) -> Table:
    """Add the table `outbox` to a service's `metadata`."""
    table = Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("event_id", Uuid, nullable=False, unique=True),
        Column("name", String(100), nullable=False),
        Column("payload", JSONB, nullable=False),
        Column("request_id", String(64)),
        Column("occurred_at", DateTime(timezone=True), nullable=False),
        Column("published_at", DateTime(timezone=True)),
    )
    Index("outbox_unpublished", table.c.id, postgresql_where=table.c.published_at.is_(None))
    return table


@dataclass(frozen=True, slots=True)
class _UnpublishedEvent:
    id: int
    event_id: UUID
    name: str
    payload: dict[str, Any]
    request_id: str | None


_T = outbox_table(MetaData())
_RECORD = Statement(
    insert(_T).values({name: bindparam(name) for name in ("event_id", "name", "payload", "request_id", "occurred_at")})
)
_NOTIFY = Statement(select(func.pg_notify("outbox", "")))
_TRY_LOCK = Scalar(select(func.pg_try_advisory_xact_lock(func.hashtext("outbox"))), bool)
_BATCH = Query(
    select(_T.c.id, _T.c.event_id, _T.c.name, _T.c.payload, _T.c.request_id)
    .where(_T.c.published_at.is_(None))
    .order_by(_T.c.id)
    .limit(100),
    _UnpublishedEvent,
)
_MARK_PUBLISHED = Statement(
    update(_T).where(_T.c.id == func.any(bindparam("ids", type_=ARRAY(BigInteger)))).values(published_at=func.now())
)
_OLDEST_SECONDS = Scalar(
    select(func.extract("epoch", func.now() - func.min(_T.c.occurred_at))).where(_T.c.published_at.is_(None)), Decimal
)
# With an array PostgreSQL uses the index. `in` would be a join, which reads the whole table.
_OLDEST_IDS = func.array(select(_T.c.id).order_by(_T.c.id).limit(1000).scalar_subquery(), type_=ARRAY(BigInteger))
_PURGE = Statement(
    delete(_T).where(_T.c.id == func.any(_OLDEST_IDS), _T.c.published_at < func.now() - text("interval '30 days'"))
)


async def record(tx: Transaction, event: Event) -> None:
    """Publish `event` after `tx` commits.

    If the event carries the state of a row, the caller must have locked the row.
    """
    payload = psycopg.types.json.Jsonb(orjson.loads(event.model_dump_json()))
    await tx.execute(
        _RECORD,
        event_id=event.id,
        name=event.name,
        payload=payload,
        request_id=request_id.get(),
        occurred_at=event.occurred_at,
    )
    await tx.execute(_NOTIFY)


class Relay(BackgroundTask):
    """The publisher of the outbox's events. It publishes after a NOTIFY, and at least every second."""

    name = "outbox"
    STUCK_SECONDS = 60
    """Seconds after which an unpublished event makes the service unhealthy."""

    def __init__(self, database_url: str, broker: Broker) -> None:
        self._url = database_url
        self._broker = broker
        self._oldest_seconds = 0.0

    async def check(self) -> str | None:
        if self._oldest_seconds > self.STUCK_SECONDS:
            return f"an event has waited {self._oldest_seconds:.0f} s to be published"
        return None

    async def _run(self) -> None:
        """Publish for ever. After an error, connect again a second later."""
        while True:
            try:
                async with await connect_directly(self._url) as connection:
                    await self._relay(connection)
            except DATABASE_UNAVAILABLE as error:
                log.warning("outbox relay interrupted, retrying", extra={"error": type(error).__name__})
            except Exception:
                log.exception("outbox relay failed, retrying")
            await asyncio.sleep(1)

    async def _relay(self, connection: Connection) -> None:
        await connection.execute("listen outbox")
        last_purge = float("-inf")  # the loop's clock may be near zero
        loop = asyncio.get_running_loop()
        while True:
            while await self._publish_batch(connection):
                pass
            await self._measure(connection)
            if loop.time() - last_purge > 3600:
                while await Transaction(connection).execute(_PURGE):
                    pass
                last_purge = loop.time()
            async for _ in connection.notifies(timeout=1, stop_after=1):
                pass

    async def _publish_batch(self, connection: Connection) -> bool:
        """Publish up to 100 events in order, for a few seconds. Returns whether more may be unpublished."""
        async with connection.transaction():
            tx = Transaction(connection)
            if not await tx.fetch_one(_TRY_LOCK):
                return False
            events = await tx.fetch_all(_BATCH)
            published = await self._publish(events)
            if published:
                await tx.execute(_MARK_PUBLISHED, ids=published)
        return len(published) == 100 or 0 < len(published) < len(events)

    async def _publish(self, events: Sequence[_UnpublishedEvent]) -> list[int]:
        """Publish until the broker fails to confirm an event or the time is up. Returns the ids of published rows."""
        published: list[int] = []
        deadline = asyncio.get_running_loop().time() + _MAX_BATCH_SECONDS
        for event in events:
            if asyncio.get_running_loop().time() > deadline:
                break
            try:
                payload = orjson.dumps(event.payload)
                await self._broker.publish(event.name, payload, str(event.event_id), event.request_id)
            except BrokerUnavailable as error:
                log.warning("publishing an event failed", extra={"event": event.name, "error": str(error)})
                await asyncio.sleep(0.2)
                break
            published.append(event.id)
        return published

    async def _measure(self, connection: Connection) -> None:
        self._oldest_seconds = float(await Transaction(connection).fetch_one(_OLDEST_SECONDS) or 0)
        OUTBOX_OLDEST.set(self._oldest_seconds)
