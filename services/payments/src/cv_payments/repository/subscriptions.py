"""Subscriptions."""

from datetime import UTC, datetime
from uuid import UUID

from cv_common.kernel.database import Query, Scalar, Statement, Transaction
from sqlalchemy import bindparam, case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.domain.offers import SubscriptionType
from cv_payments.domain.stripe_objects import StripeSubscription
from cv_payments.domain.subscriptions import Subscription
from cv_payments.tables import parameters, sql_literals, subscriptions

_BY_ID = subscriptions.c.id == bindparam("subscription_id")
_SUBSCRIPTION = select(*(column.label(name) for name, column in subscriptions.c.items()))
_FROM_STRIPE = (
    "customer_id", "item_id", "price_id", "subscription_type", "stripe_status",
    "current_period_end", "cancel_at", "ended_at", "past_due_since",
)  # fmt: skip
_INSERT = upsert(subscriptions).values(parameters("id", "owner_id", "checkout_id", "created_at", *_FROM_STRIPE))
_SINCE = _INSERT.excluded.past_due_since
_UPSERT = Statement(
    _INSERT.on_conflict_do_update(
        index_elements=["id"],
        set_={
            **{name: _INSERT.excluded[name] for name in _FROM_STRIPE},
            # Later unpaid invoices do not restart the grace period.
            "past_due_since": case((_SINCE.is_not(None), func.least(subscriptions.c.past_due_since, _SINCE))),
            "updated_at": func.now(),
        },
    )
)
_FIND = Query(_SUBSCRIPTION.where(_BY_ID), Subscription)
_OF_OWNER = Query(
    _SUBSCRIPTION.where(subscriptions.c.owner_id == bindparam("owner_id")).order_by(
        subscriptions.c.created_at, subscriptions.c.known_since
    ),
    Subscription,
)
_MARK_DUPLICATE = Statement(update(subscriptions).where(_BY_ID).values(is_duplicate=True))
_OVERDUE = Scalar(
    select(subscriptions.c.id)
    .where(
        subscriptions.c.stripe_status.not_in(sql_literals("canceled", "incomplete_expired")),
        or_(subscriptions.c.current_period_end < func.now(), subscriptions.c.cancel_at < func.now()),
    )
    .order_by(subscriptions.c.id),
    str,
)


async def upsert_from_stripe(
    tx: Transaction, at_stripe: StripeSubscription, owner_id: int, checkout_id: UUID | None, plan: SubscriptionType
) -> None:
    """Store what Stripe says about a subscription. A stored one keeps its owner and its checkout."""
    await tx.execute(
        _UPSERT,
        id=at_stripe.id,
        owner_id=owner_id,
        checkout_id=checkout_id,
        customer_id=at_stripe.customer_id,
        item_id=at_stripe.item_id,
        price_id=at_stripe.price_id,
        subscription_type=plan,
        stripe_status=at_stripe.status,
        current_period_end=at_stripe.current_period_end,
        cancel_at=at_stripe.cancel_at,
        ended_at=at_stripe.ended_at,
        past_due_since=_past_due_since(at_stripe),
        created_at=at_stripe.created,
    )


def _past_due_since(at_stripe: StripeSubscription) -> datetime | None:
    if at_stripe.status != "past_due":
        return None
    return at_stripe.latest_invoice.created if at_stripe.latest_invoice else datetime.now(UTC)


async def find(tx: Transaction, subscription_id: str) -> Subscription | None:
    """Return a subscription of any owner."""
    return await tx.fetch_one(_FIND, subscription_id=subscription_id)


async def list_of_owner(tx: Transaction, owner_id: int) -> list[Subscription]:
    """Return all subscriptions of an owner, oldest first."""
    return await tx.fetch_all(_OF_OWNER, owner_id=owner_id)


async def list_overdue(tx: Transaction) -> list[str]:
    """Return the ids of the subscriptions whose period has ended without news of the next one."""
    return await tx.fetch_all(_OVERDUE)


async def mark_duplicate(tx: Transaction, subscription: Subscription) -> None:
    """Mark a subscription as one to cancel and refund."""
    await tx.execute(_MARK_DUPLICATE, subscription_id=subscription.id)
