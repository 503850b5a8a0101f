"""The inbox: which events this service has already taken. One row per event, in the transaction of its effect.

A row stays as long as its event may come again: 30 days in the outbox, from which a lost stream is rebuilt, another 30
in that stream, and a margin. `cv_common.app` sees to it in every service that consumes.
"""

from cv_common.kernel.database import Database, Statement, Transaction
from cv_common.messaging.events import Event
from sqlalchemy import ARRAY, Column, DateTime, MetaData, Table, Uuid, bindparam, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert


def inbox_table(metadata: MetaData) -> Table:
    """The table `inbox` of a service's own schema."""
    return Table(
        "inbox",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
    )


_TABLE = inbox_table(MetaData())
_RECORD = Statement(insert(_TABLE).values(event_id=bindparam("event_id")).on_conflict_do_nothing())
_IS_OLD = _TABLE.c.received_at < func.now() - text("interval '70 days'")
_SOME = func.array(select(_TABLE.c.event_id).where(_IS_OLD).limit(1000).scalar_subquery(), type_=ARRAY(Uuid))
_PURGE = Statement(delete(_TABLE).where(_TABLE.c.event_id == func.any(_SOME), _IS_OLD))


async def mark_processed(tx: Transaction, event: Event) -> bool:
    """True when `event` was never taken before; from now on it was, if `tx` commits."""
    return await tx.execute(_RECORD, event_id=event.id) == 1


async def purge(database: Database) -> None:
    """Drop the rows of events that cannot come again."""
    async with database.connection() as tx:
        while await tx.execute(_PURGE):
            pass
