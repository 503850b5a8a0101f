"""Subscriptions."""

from datetime import UTC, datetime
from uuid import UUID

from cv_common.kernel.database import Row, Statement, Transaction
from sqlalchemy import bindparam, case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.domain.offers import SubscriptionType
from cv_payments.domain.stripe_objects import StripeSubscription
from cv_payments.domain.subscriptions import Subscription
from cv_payments.tables import subscriptions, words

PAGE = 100
"""How many rows are looked through at once."""

_BY_ID = subscriptions.c.id == bindparam("subscription_id")
_FOLLOWED = (
    "customer_id", "item_id", "price_id", "subscription_type", "stripe_status",
    "current_period_end", "cancel_at", "ended_at", "past_due_since",
)  # fmt: skip
_INSERT = upsert(subscriptions).values(
    {name: bindparam(name) for name in ("id", "owner_id", "checkout_id", "created_at", *_FOLLOWED)}
)
_SINCE = _INSERT.excluded.past_due_since
_STILL_PAST_DUE_SINCE = case((_SINCE.is_not(None), func.least(subscriptions.c.past_due_since, _SINCE)))
"""Days to pay begin once: another invoice of the same arrears is no other beginning."""
_KEEP = Statement(
    _INSERT.on_conflict_do_update(
        index_elements=["id"],
        set_={
            **{name: _INSERT.excluded[name] for name in _FOLLOWED},
            "past_due_since": _STILL_PAST_DUE_SINCE,
            "updated_at": func.now(),
        },
    )
)
_GET = Statement(select(subscriptions).where(_BY_ID))
_OF_OWNER = Statement(
    select(subscriptions)
    .where(subscriptions.c.owner_id == bindparam("owner_id"))
    .order_by(subscriptions.c.created_at, subscriptions.c.known_since)
)
_SUPERFLUOUS = Statement(update(subscriptions).where(_BY_ID).values(superfluous=True))
_MOVE = Statement(
    update(subscriptions)
    .where(subscriptions.c.owner_id == bindparam("owner_id"))
    .values(owner_id=bindparam("new_owner_id"))
)
_OVERDUE = Statement(
    select(subscriptions.c.id)
    .where(
        subscriptions.c.stripe_status.not_in(words("canceled", "incomplete_expired")),
        or_(subscriptions.c.current_period_end < func.now(), subscriptions.c.cancel_at < func.now()),
        subscriptions.c.id > bindparam("after"),
    )
    .order_by(subscriptions.c.id)
    .limit(PAGE)
)


async def keep(
    tx: Transaction, told: StripeSubscription, owner_id: int, checkout_id: UUID | None, plan: SubscriptionType
) -> None:
    """Store what Stripe says of a subscription, whose owner stays the one it was first given to."""
    await tx.execute(
        _KEEP,
        id=told.id,
        owner_id=owner_id,
        checkout_id=checkout_id,
        customer_id=told.customer_id,
        item_id=told.item_id,
        price_id=told.price_id,
        subscription_type=plan,
        stripe_status=told.status,
        current_period_end=told.current_period_end,
        cancel_at=told.cancel_at,
        ended_at=told.ended_at,
        past_due_since=_past_due_since(told),
        created_at=told.created,
    )


def _past_due_since(told: StripeSubscription) -> datetime | None:
    if told.status != "past_due":
        return None
    return told.latest_invoice.created if told.latest_invoice else datetime.now(UTC)


async def get(tx: Transaction, subscription_id: str) -> Subscription | None:
    """One subscription, whosever it is."""
    row = await tx.fetch_one(_GET, subscription_id=subscription_id)
    return _present(row) if row else None


async def of_owner(tx: Transaction, owner_id: int) -> list[Subscription]:
    """All that an owner ever had, oldest first."""
    return [_present(row) for row in await tx.fetch_all(_OF_OWNER, owner_id=owner_id)]


async def overdue(tx: Transaction, after: str) -> list[str]:
    """The next `PAGE` subscriptions whose period is over without our having heard what came next, by id."""
    return [row["id"] for row in await tx.fetch_all(_OVERDUE, after=after)]


async def mark_superfluous(tx: Transaction, subscription: Subscription) -> None:
    """This one is to be ended and given back."""
    await tx.execute(_SUPERFLUOUS, subscription_id=subscription.id)


async def move(tx: Transaction, owner_id: int, new_owner_id: int) -> None:
    """Give all of one owner's subscriptions to another."""
    await tx.execute(_MOVE, owner_id=owner_id, new_owner_id=new_owner_id)


def _present(row: Row) -> Subscription:
    return Subscription(**row)
