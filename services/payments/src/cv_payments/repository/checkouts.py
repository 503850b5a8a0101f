"""Checkouts."""

from dataclasses import asdict, fields
from datetime import datetime
from uuid import UUID

from cv_common.kernel.database import Row, Statement, Transaction
from psycopg.types.json import Jsonb
from sqlalchemy import String, bindparam, func, insert, or_, select, text, update

from cv_payments.domain.checkouts import Checkout, CheckoutStatus
from cv_payments.tables import checkouts, owners, words

PAGE = 100
"""How many rows are looked through at once."""

_BY_ID = checkouts.c.id == bindparam("checkout_id")
_NEW = checkouts.c.status.in_(words("new"))
_UNFINISHED = checkouts.c.status.in_(words("new", "open"))

_ADD = Statement(insert(checkouts).values({field.name: bindparam(field.name) for field in fields(Checkout)}))
_GET = Statement(select(checkouts).where(_BY_ID))
_UNFINISHED_OF = Statement(
    select(checkouts)
    .where(checkouts.c.owner_id == bindparam("owner_id"), _UNFINISHED)
    .order_by(checkouts.c.created_at, checkouts.c.id)
)
_UNFINISHED_FOR_RESUME = Statement(
    select(checkouts).where(checkouts.c.resume_id == bindparam("resume_id"), _UNFINISHED)
)
_OVERDUE = Statement(
    select(checkouts)
    .where(_UNFINISHED, checkouts.c.expires_at < func.now(), checkouts.c.id > bindparam("after"))
    .order_by(checkouts.c.id)
    .limit(PAGE)
)
_VISIBLE = Statement(
    select(checkouts)
    .join(owners)
    .where(
        checkouts.c.stripe_session_id == bindparam("session"),
        owners.c.ended_at.is_(None),
        (owners.c.user_id == bindparam("user_id")) | (owners.c.session_id == bindparam("session_id")),
    )
)
_POLLED_RECENTLY = text("interval '3 seconds'")
_CLAIM_POLL = Statement(
    update(checkouts)
    .where(_BY_ID, or_(checkouts.c.polled_at.is_(None), checkouts.c.polled_at < func.now() - _POLLED_RECENTLY))
    .values(polled_at=func.now())
)
_LEASE = Statement(update(checkouts).where(_BY_ID, _NEW).values(opening_until=bindparam("until")))
_OPENED = Statement(
    update(checkouts)
    .where(_BY_ID, _UNFINISHED)
    .values(status="open", stripe_session_id=bindparam("session"), url=bindparam("url"))
)
_FAILED = Statement(update(checkouts).where(_BY_ID, _NEW).values(status="failed"))
_SET_ASIDE = Statement(update(checkouts).where(_BY_ID, _UNFINISHED).values(status="failed"))
_FOLLOW = Statement(
    update(checkouts)
    .where(_BY_ID)
    .values(
        status=bindparam("status"),
        stripe_session_id=bindparam("session"),
        customer_id=func.coalesce(bindparam("customer", type_=String), checkouts.c.customer_id),
    )
)
_MOVE = Statement(
    update(checkouts).where(checkouts.c.owner_id == bindparam("owner_id")).values(owner_id=bindparam("new_owner_id"))
)


async def add(tx: Transaction, checkout: Checkout) -> None:
    """Keep a new attempt."""
    await tx.execute(_ADD, **(asdict(checkout) | {"parameters": Jsonb(checkout.parameters)}))


async def get(tx: Transaction, checkout_id: UUID) -> Checkout | None:
    """One attempt, whosever it is."""
    row = await tx.fetch_one(_GET, checkout_id=checkout_id)
    return _present(row) if row else None


async def unfinished(tx: Transaction, owner_id: int) -> list[Checkout]:
    """An owner's attempts that may still be paid, oldest first."""
    return [_present(row) for row in await tx.fetch_all(_UNFINISHED_OF, owner_id=owner_id)]


async def unfinished_for_resume(tx: Transaction, resume_id: int) -> list[Checkout]:
    """Everybody's attempts to buy one resume that may still be paid."""
    return [_present(row) for row in await tx.fetch_all(_UNFINISHED_FOR_RESUME, resume_id=resume_id)]


async def visible(
    tx: Transaction, stripe_session_id: str, user_id: int | None, session_id: str | None
) -> Checkout | None:
    """An attempt of this account or session, by Stripe's session id."""
    mine = {"user_id": user_id, "session_id": None if user_id is not None else session_id}
    row = await tx.fetch_one(_VISIBLE, session=stripe_session_id, **mine)
    return _present(row) if row else None


async def overdue(tx: Transaction, after: UUID) -> list[Checkout]:
    """The next `PAGE` attempts that are past their end without our having heard what became of them, by id."""
    return [_present(row) for row in await tx.fetch_all(_OVERDUE, after=after)]


async def claim_poll(tx: Transaction, checkout_id: UUID) -> bool:
    """Whether a poll may ask Stripe for this attempt now: once in three seconds, whichever replica serves it."""
    return await tx.execute(_CLAIM_POLL, checkout_id=checkout_id) == 1


async def lease(tx: Transaction, checkout_id: UUID, until: datetime | None) -> None:
    """Somebody opens this attempt's page `until` then; nobody does, with None."""
    await tx.execute(_LEASE, checkout_id=checkout_id, until=until)


async def mark_open(tx: Transaction, checkout_id: UUID, stripe_session_id: str, url: str) -> bool:
    """Stripe has opened a session for this attempt. False when that was given up, or is over, already."""
    return await tx.execute(_OPENED, checkout_id=checkout_id, session=stripe_session_id, url=url) == 1


async def mark_failed(tx: Transaction, checkout_id: UUID) -> bool:
    """Stripe will not, or did not, open a session for this attempt. False when it has meanwhile."""
    return await tx.execute(_FAILED, checkout_id=checkout_id) == 1


async def set_aside(tx: Transaction, checkout_id: UUID) -> bool:
    """This attempt and its session at Stripe do not fit. False when it is over already."""
    return await tx.execute(_SET_ASIDE, checkout_id=checkout_id) == 1


async def follow(
    tx: Transaction, checkout_id: UUID, stripe_session_id: str, status: CheckoutStatus, customer_id: str | None
) -> None:
    """The session at Stripe is in this state, and its buyer is this customer as far as Stripe knows yet."""
    await tx.execute(_FOLLOW, checkout_id=checkout_id, session=stripe_session_id, status=status, customer=customer_id)


async def move(tx: Transaction, owner_id: int, new_owner_id: int) -> None:
    """Give all of one owner's attempts to another."""
    await tx.execute(_MOVE, owner_id=owner_id, new_owner_id=new_owner_id)


def _present(row: Row) -> Checkout:
    return Checkout(**row)
