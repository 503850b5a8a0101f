"""The inbox: one row for each event that this service has processed, written in the transaction of its effect.

    async with database.transaction() as tx:
        if await inbox.mark_processed(tx, event):
            await repository.delete_resume(tx, event.resume_id)

A row stays for 70 days, as long as its event may be delivered again: 30 days in the outbox, from which a lost stream is
rebuilt, 30 days in that stream, and a margin. `cv_common.app` deletes older rows daily.
"""

from sqlalchemy import ARRAY, Column, DateTime, MetaData, Table, Uuid, bindparam, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from cv_common.kernel.database import Database, Statement, Transaction
from cv_common.messaging.events import Event


def inbox_table(metadata: MetaData) -> Table:
    """Add the table `inbox` to a service's `metadata`."""
    return Table(
        "inbox",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
    )


_TABLE = inbox_table(MetaData())
_RECORD = Statement(insert(_TABLE).values(event_id=bindparam("event_id")).on_conflict_do_nothing())
_IS_OLD = _TABLE.c.received_at < func.now() - text("interval '70 days'")
_OLD_IDS = func.array(select(_TABLE.c.event_id).where(_IS_OLD).limit(1000).scalar_subquery(), type_=ARRAY(Uuid))
_PURGE = Statement(delete(_TABLE).where(_TABLE.c.event_id == func.any(_OLD_IDS), _IS_OLD))


async def mark_processed(tx: Transaction, event: Event) -> bool:
    """Mark `event` as processed. Returns False if it already is: skip its effect then."""
    return await tx.execute(_RECORD, event_id=event.id) == 1


async def purge(database: Database) -> None:
    """Delete the rows of events that cannot be delivered again."""
    async with database.connection() as tx:
        while await tx.execute(_PURGE):
            pass
