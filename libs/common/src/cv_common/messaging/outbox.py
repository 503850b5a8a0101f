"""The outbox: events written in the transaction of the change they tell of, and relayed to NATS afterwards.

PostgreSQL is the record and NATS only the transport: rows stay 30 days, so that a lost stream is rebuilt by
`update outbox set published_at = null where occurred_at > …`. One relay publishes at a time, in the order of ids,
behind an advisory lock that ends with its transaction; a frozen leader loses it after ten seconds.
"""

import asyncio
import logging

import orjson
import psycopg
from cv_common.kernel import tasks
from cv_common.kernel.database import DATABASE_UNAVAILABLE, Connection, Row, Statement, Transaction, connect_directly
from cv_common.kernel.logs import request_id
from cv_common.kernel.metrics import OUTBOX_OLDEST
from cv_common.messaging.broker import Broker, BrokerUnavailable
from cv_common.messaging.events import Event
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

log = logging.getLogger(__name__)

_MAX_BATCH_SECONDS = 3.0
"""Seconds after which no more is published in one transaction: with the last publish's 5 it stays below the database's
`idle_in_transaction_session_timeout`, which would undo what the broker has confirmed."""


def outbox_table(metadata: MetaData) -> Table:
    """The table `outbox` of a service's own schema."""
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


_T = outbox_table(MetaData())
_RECORD = Statement(
    insert(_T).values({name: bindparam(name) for name in ("event_id", "name", "payload", "request_id", "occurred_at")})
)
_NOTIFY = Statement(select(func.pg_notify("outbox", "")))
_TRY_TO_LEAD = Statement(select(func.pg_try_advisory_xact_lock(func.hashtext("outbox")).label("leads")))
_BATCH = Statement(
    select(_T.c.id, _T.c.event_id, _T.c.name, _T.c.payload, _T.c.request_id)
    .where(_T.c.published_at.is_(None))
    .order_by(_T.c.id)
    .limit(100)
)
_MARK_PUBLISHED = Statement(
    update(_T).where(_T.c.id == func.any(bindparam("ids", type_=ARRAY(BigInteger)))).values(published_at=func.now())
)
_OLDEST = Statement(
    select((func.extract("epoch", func.now() - func.min(_T.c.occurred_at))).label("seconds")).where(
        _T.c.published_at.is_(None)
    )
)
# An array is found by the index: `in` would be a join, for which the whole table is read.
_FIRST = func.array(select(_T.c.id).order_by(_T.c.id).limit(1000).scalar_subquery(), type_=ARRAY(BigInteger))
_PURGE = Statement(
    delete(_T).where(_T.c.id == func.any(_FIRST), _T.c.published_at < func.now() - text("interval '30 days'"))
)


async def record(tx: Transaction, event: Event) -> None:
    """Publish `event` if, and once, `tx` commits. The caller has locked the row whose state it tells."""
    payload = psycopg.types.json.Jsonb(orjson.loads(event.model_dump_json()))
    await tx.execute(
        _RECORD,
        event_id=event.id,
        name=event.name,
        payload=payload,
        request_id=request_id.get(),
        occurred_at=event.occurred_at,
    )
    await tx.fetch_one(_NOTIFY)


class Relay:
    """Publishes this service's outbox, woken by NOTIFY and at the latest every second."""

    name = "outbox"
    STUCK_SECONDS = 60
    """Seconds after which an unpublished event turns health red."""

    def __init__(self, database_url: str, bus: Broker) -> None:
        self._url = database_url
        self._bus = bus
        self._task: asyncio.Task[None] | None = None
        self._oldest = 0.0

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="outbox relay")

    async def stop(self) -> None:
        await tasks.cancel_and_wait(self._task)

    async def check(self) -> str | None:
        if self._oldest > self.STUCK_SECONDS:
            return f"an event has waited {self._oldest:.0f} s to be published"
        return None

    async def _run(self) -> None:
        """Relay for ever; a database or broker that is away is tried again every second."""
        while True:
            try:
                async with await connect_directly(self._url) as connection:
                    await self._relay(connection)
            except DATABASE_UNAVAILABLE as error:
                log.warning("the outbox waits for the database", extra={"error": type(error).__name__})
            except Exception:
                log.exception("the outbox relay failed and starts again")
            await asyncio.sleep(1)

    async def _relay(self, connection: Connection) -> None:
        await connection.execute("listen outbox")
        last_cleaning = float("-inf")  # the loop's clock may have begun a moment ago
        loop = asyncio.get_running_loop()
        while True:
            while await self._publish_batch(connection):
                pass
            await self._measure(connection)
            if loop.time() - last_cleaning > 3600:
                while await Transaction(connection).execute(_PURGE):
                    pass
                last_cleaning = loop.time()
            async for _ in connection.notifies(timeout=1, stop_after=1):
                pass

    async def _publish_batch(self, connection: Connection) -> bool:
        """Publish up to 100 events in order, as many as can be in some seconds. True when more may be waiting."""
        async with connection.transaction():
            tx = Transaction(connection)
            leads = await tx.fetch_one(_TRY_TO_LEAD)
            if leads is None or not leads["leads"]:
                return False
            rows = await tx.fetch_all(_BATCH)
            published = await self._publish(rows)
            if published:
                await tx.execute(_MARK_PUBLISHED, ids=published)
        return len(published) == 100 or 0 < len(published) < len(rows)

    async def _publish(self, rows: list[Row]) -> list[int]:
        """The ids of the events the broker has confirmed, up to the first it has not, or until time is up."""
        published: list[int] = []
        time_is_up = asyncio.get_running_loop().time() + _MAX_BATCH_SECONDS
        for row in rows:
            if asyncio.get_running_loop().time() > time_is_up:
                break
            try:
                await self._bus.publish(
                    row["name"], orjson.dumps(row["payload"]), str(row["event_id"]), row["request_id"]
                )
            except BrokerUnavailable as error:
                log.warning("an event waits for the broker", extra={"event": row["name"], "error": str(error)})
                await asyncio.sleep(0.2)
                break
            published.append(row["id"])
        return published

    async def _measure(self, connection: Connection) -> None:
        row = await Transaction(connection).fetch_one(_OLDEST)
        self._oldest = float(row["seconds"] or 0) if row else 0.0
        OUTBOX_OLDEST.set(self._oldest)
