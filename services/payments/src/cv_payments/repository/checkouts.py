"""Checkouts."""

from dataclasses import asdict, fields
from datetime import datetime
from uuid import UUID

from cv_common.kernel.database import Query, Scalar, Statement, Transaction
from cv_common.kernel.identity import Caller
from psycopg.types.json import Jsonb
from sqlalchemy import String, bindparam, func, insert, or_, select, text, update

from cv_payments.domain.checkouts import Checkout, CheckoutStatus
from cv_payments.repository.owners import OWNED_BY_CALLER, caller_values
from cv_payments.tables import checkouts, owners, parameters, sql_literals

_POLL_INTERVAL = text("interval '3 seconds'")

_FIELDS = [field.name for field in fields(Checkout)]
_CHECKOUT = select(*(checkouts.c[name] for name in _FIELDS))
_BY_ID = checkouts.c.id == bindparam("checkout_id")
_NEW = checkouts.c.status.in_(sql_literals("new"))
_UNFINISHED = checkouts.c.status.in_(sql_literals("new", "open"))

_ADD = Statement(insert(checkouts).values(parameters(*_FIELDS)))
_FIND = Query(_CHECKOUT.where(_BY_ID), Checkout)
_UNFINISHED_OF_OWNER = Query(
    _CHECKOUT.where(checkouts.c.owner_id == bindparam("owner_id"), _UNFINISHED).order_by(
        checkouts.c.created_at, checkouts.c.id
    ),
    Checkout,
)
_UNFINISHED_OF_RESUME = Query(_CHECKOUT.where(checkouts.c.resume_id == bindparam("resume_id"), _UNFINISHED), Checkout)
_OVERDUE = Scalar(
    select(checkouts.c.id).where(_UNFINISHED, checkouts.c.expires_at < func.now()).order_by(checkouts.c.id), UUID
)
_FIND_FOR_CALLER = Query(
    _CHECKOUT.join(owners).where(checkouts.c.stripe_session_id == bindparam("stripe_session_id"), OWNED_BY_CALLER),
    Checkout,
)
_CLAIM_POLL = Statement(
    update(checkouts)
    .where(_BY_ID, or_(checkouts.c.polled_at.is_(None), checkouts.c.polled_at < func.now() - _POLL_INTERVAL))
    .values(polled_at=func.now())
)
_SET_LEASE = Statement(update(checkouts).where(_BY_ID, _NEW).values(opening_until=bindparam("until")))
_MARK_OPEN = Statement(
    update(checkouts)
    .where(_BY_ID, _UNFINISHED)
    .values(status="open", stripe_session_id=bindparam("session"), url=bindparam("url"))
)
_MARK_NEW_FAILED = Statement(update(checkouts).where(_BY_ID, _NEW).values(status="failed"))
_MARK_FAILED = Statement(update(checkouts).where(_BY_ID, _UNFINISHED).values(status="failed"))
_UPDATE_FROM_SESSION = Statement(
    update(checkouts)
    .where(_BY_ID)
    .values(
        status=bindparam("status"),
        stripe_session_id=bindparam("session"),
        customer_id=func.coalesce(bindparam("customer", type_=String), checkouts.c.customer_id),
    )
)


async def add(tx: Transaction, checkout: Checkout) -> None:
    """Store a new checkout."""
    await tx.execute(_ADD, **(asdict(checkout) | {"parameters": Jsonb(checkout.parameters)}))


async def find(tx: Transaction, checkout_id: UUID | None) -> Checkout | None:
    """Return a checkout of any owner; None for no id."""
    return await tx.fetch_one(_FIND, checkout_id=checkout_id) if checkout_id is not None else None


async def find_for_caller(tx: Transaction, stripe_session_id: str, caller: Caller) -> Checkout | None:
    """Return the caller's checkout with this Stripe session."""
    return await tx.fetch_one(_FIND_FOR_CALLER, stripe_session_id=stripe_session_id, **caller_values(caller))


async def list_unfinished(tx: Transaction, owner_id: int) -> list[Checkout]:
    """Return an owner's checkouts that may still be paid, oldest first."""
    return await tx.fetch_all(_UNFINISHED_OF_OWNER, owner_id=owner_id)


async def list_unfinished_of_resume(tx: Transaction, resume_id: int) -> list[Checkout]:
    """Return all owners' checkouts for a resume that may still be paid."""
    return await tx.fetch_all(_UNFINISHED_OF_RESUME, resume_id=resume_id)


async def list_overdue(tx: Transaction) -> list[UUID]:
    """Return the ids of the unfinished checkouts that have expired."""
    return await tx.fetch_all(_OVERDUE)


async def claim_poll(tx: Transaction, checkout_id: UUID) -> bool:
    """Return whether a poll may ask Stripe about this checkout now: once in three seconds for all replicas."""
    return await tx.execute(_CLAIM_POLL, checkout_id=checkout_id) == 1


async def set_lease(tx: Transaction, checkout_id: UUID, until: datetime | None) -> None:
    """Reserve a new checkout for the request that opens its page; None releases it."""
    await tx.execute(_SET_LEASE, checkout_id=checkout_id, until=until)


async def mark_open(tx: Transaction, checkout_id: UUID, stripe_session_id: str, url: str) -> bool:
    """Store the session that Stripe opened. False when the checkout is finished already."""
    return await tx.execute(_MARK_OPEN, checkout_id=checkout_id, session=stripe_session_id, url=url) == 1


async def mark_new_failed(tx: Transaction, checkout_id: UUID) -> bool:
    """Mark a checkout failed that has no session. False when it has one or is finished."""
    return await tx.execute(_MARK_NEW_FAILED, checkout_id=checkout_id) == 1


async def mark_failed(tx: Transaction, checkout_id: UUID) -> bool:
    """Mark an unfinished checkout failed. False when it is finished."""
    return await tx.execute(_MARK_FAILED, checkout_id=checkout_id) == 1


async def update_from_session(
    tx: Transaction, checkout_id: UUID, stripe_session_id: str, status: CheckoutStatus, customer_id: str | None
) -> None:
    """Store what the session at Stripe says. A known customer stays."""
    await tx.execute(
        _UPDATE_FROM_SESSION,
        checkout_id=checkout_id,
        session=stripe_session_id,
        status=status,
        customer=customer_id,
    )
