"""Events as Stripe sent them. What becomes of one is `work.events`."""

from cv_common.db import Statement, Transaction
from sqlalchemy import ARRAY, Text, any_, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.tables import stripe_events, words

_RECORD = Statement(
    upsert(stripe_events)
    .values(
        {name: bindparam(name) for name in ("id", "type", "object_id", "raw")}
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
_PURGE_OF = Statement(update(stripe_events).where(stripe_events.c.owner_id == bindparam("owner")).values(raw=None))
_PURGE_OLD = Statement(
    update(stripe_events)
    .where(
        stripe_events.c.raw.is_not(None),
        stripe_events.c.outcome.in_(words("done", "ignored", "dismissed")),
        stripe_events.c.received_at < func.now() - text("interval '30 days'"),
    )
    .values(raw=None)
)


async def record(tx: Transaction, event_id: str, event_type: str, object_id: str | None, raw: str | None) -> None:
    """Keep an event. One that is here already is the same event delivered again."""
    await tx.run(_RECORD, id=event_id, type=event_type, object_id=object_id, raw=raw)


async def known(tx: Transaction, event_ids: list[str]) -> set[str]:
    """Those of the events that are here already."""
    return {row["id"] for row in await tx.all(_KNOWN, event_ids=event_ids)}


async def concerns(tx: Transaction, event_id: str, owner_id: int) -> None:
    """Remember whom an event tells of, so that its text can be purged with them."""
    await tx.run(_CONCERNS, event_id=event_id, owner=owner_id)


async def purge_of(tx: Transaction, owner_id: int) -> None:
    """Forget what the events of an erased account said."""
    await tx.run(_PURGE_OF, owner=owner_id)


async def purge_old(tx: Transaction) -> None:
    """Forget what finished events said a month ago: their ids still tell duplicates."""
    await tx.run(_PURGE_OLD)
