"""Stripe's events. `job_queues.events` leases and finishes them."""

from cv_common.kernel.database import Scalar, Statement, Transaction
from sqlalchemy import ARRAY, Text, any_, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.domain.events import StripeEvent
from cv_payments.tables import is_finished, parameters, stripe_events

_ADD = Statement(
    upsert(stripe_events)
    .values(
        parameters("id", "type", "object_id")
        # The request that received the event comes first; the worker a second later.
        | {"next_try_at": func.now() + text("interval '1 second'")}
    )
    .on_conflict_do_nothing()
)
_KNOWN = Scalar(
    select(stripe_events.c.id).where(stripe_events.c.id == any_(bindparam("event_ids", type_=ARRAY(Text)))), str
)
_SET_OWNER = Statement(
    update(stripe_events).where(stripe_events.c.id == bindparam("event_id")).values(owner_id=bindparam("owner"))
)
_PURGE = Statement(
    delete(stripe_events).where(
        is_finished(stripe_events), stripe_events.c.processed_at < func.now() - text("interval '60 days'")
    )
)


async def add(tx: Transaction, event: StripeEvent) -> None:
    """Store an event, unless it is stored already."""
    await tx.execute(_ADD, id=event.id, type=event.type, object_id=event.object_id)


async def find_known(tx: Transaction, event_ids: list[str]) -> set[str]:
    """Return the ids of the events that are stored already."""
    return set(await tx.fetch_all(_KNOWN, event_ids=event_ids))


async def set_owner(tx: Transaction, event_id: str, owner_id: int) -> None:
    """Store which owner an event is about, for an operator's queries."""
    await tx.execute(_SET_OWNER, event_id=event_id, owner=owner_id)


async def purge(tx: Transaction) -> None:
    """Delete finished events of 60 days ago: Stripe lists and sends events for 30 days."""
    await tx.execute(_PURGE)
