"""Events that Stripe sent. What becomes of one is `work.events`."""

from cv_common.kernel.database import Statement, Transaction
from sqlalchemy import ARRAY, Text, any_, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.tables import is_finished, stripe_events

_RECORD = Statement(
    upsert(stripe_events)
    .values(
        {name: bindparam(name) for name in ("id", "type", "object_id")}
        # Whoever received it comes first; the worker looks a moment later.
        | {"next_try_at": func.now() + text("interval '1 second'")}
    )
    .on_conflict_do_nothing()
)
_KNOWN = Statement(
    select(stripe_events.c.id).where(stripe_events.c.id == any_(bindparam("event_ids", type_=ARRAY(Text))))
)
_CONCERNS = Statement(
    update(stripe_events).where(stripe_events.c.id == bindparam("event_id")).values(owner_id=bindparam("owner"))
)
_OLD = (
    select(stripe_events.c.id)
    .where(is_finished(stripe_events), stripe_events.c.processed_at < func.now() - text("interval '60 days'"))
    .limit(bindparam("at_most"))
)
_FORGET = Statement(delete(stripe_events).where(stripe_events.c.id.in_(_OLD)))


async def record(tx: Transaction, event_id: str, event_type: str, object_id: str | None) -> None:
    """Keep an event. One that is here already is the same event delivered again."""
    await tx.execute(_RECORD, id=event_id, type=event_type, object_id=object_id)


async def known(tx: Transaction, event_ids: list[str]) -> set[str]:
    """Those of the events that are here already."""
    return {row["id"] for row in await tx.fetch_all(_KNOWN, event_ids=event_ids)}


async def concerns(tx: Transaction, event_id: str, owner_id: int) -> None:
    """Remember whom an event tells of, for whoever looks into what became of a purchase."""
    await tx.execute(_CONCERNS, event_id=event_id, owner=owner_id)


async def forget_old(tx: Transaction, at_most: int) -> int:
    """Drop so many events that Stripe cannot send or list again, which it does for 30 days; how many there were."""
    return await tx.execute(_FORGET, at_most=at_most)
