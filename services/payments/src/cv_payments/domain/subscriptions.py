"""Subscriptions: their status in the API, how long each entitles, and the summary of several."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from typing_extensions import TypeAliasType

from cv_payments.domain.errors import Quarantined
from cv_payments.domain.offers import SubscriptionType

SubscriptionStatus = TypeAliasType(
    "SubscriptionStatus", Literal["active", "canceled", "past_due", "incomplete", "trialing"]
)


@dataclass(frozen=True, slots=True)
class GracePeriods:
    """How long access continues after a period whose renewal is not known yet, and after an unpaid invoice."""

    renewal: timedelta
    past_due: timedelta


_STATUSES: dict[str, SubscriptionStatus] = {
    "trialing": "trialing",
    "active": "active",
    "past_due": "past_due",
    "unpaid": "past_due",
    "incomplete": "incomplete",
    "paused": "incomplete",
    "incomplete_expired": "canceled",
    "canceled": "canceled",
}
_LIVE = frozenset({"trialing", "active", "past_due", "unpaid", "paused"})


def api_status(stripe_status: str) -> SubscriptionStatus:
    """Return the API's status for Stripe's. Raises Quarantined for an unknown one."""
    try:
        return _STATUSES[stripe_status]
    except KeyError:
        raise Quarantined(f"unknown subscription status {stripe_status!r}") from None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A stored subscription, as Stripe last described it."""

    id: str
    owner_id: int
    checkout_id: UUID | None
    customer_id: str
    item_id: str
    price_id: str
    subscription_type: SubscriptionType
    stripe_status: str
    current_period_end: datetime
    cancel_at: datetime | None
    ended_at: datetime | None
    past_due_since: datetime | None
    is_duplicate: bool
    """Its owner had another live subscription, or had ended. The service cancels and refunds it."""
    created_at: datetime
    """Its creation at Stripe, in whole seconds."""
    known_since: datetime
    updated_at: datetime

    @property
    def status(self) -> SubscriptionStatus:
        return api_status(self.stripe_status)

    @property
    def is_live(self) -> bool:
        """Return whether it continues until it is canceled."""
        return self.stripe_status in _LIVE and not self.is_duplicate

    def entitled_until(self, grace: GracePeriods) -> datetime | None:
        """Return until when it gives access, by its own state; None when it gives no access."""
        if self.is_duplicate:
            return None
        match self.stripe_status:
            case "trialing" | "active":
                renewed_until = self.current_period_end + grace.renewal
                return min(renewed_until, self.cancel_at) if self.cancel_at else renewed_until
            case "past_due":
                return (self.past_due_since or self.updated_at) + grace.past_due
            case _:
                return None


@dataclass(frozen=True, slots=True)
class SubscriptionSummary:
    """What all subscriptions of an owner amount to."""

    status: SubscriptionStatus = "canceled"
    subscription_type: SubscriptionType | None = None
    subscription_end_date: datetime | None = None
    entitled_until: datetime | None = None
    will_renew: bool = False


def summarize(
    subscriptions: Sequence[Subscription], grace: GracePeriods, suspended: Collection[str] = ()
) -> SubscriptionSummary:
    """Return the best of an owner's subscriptions. Those in `suspended` have a disputed payment and give no access."""
    ranked = [
        (None if each.id in suspended else each.entitled_until(grace), each)
        for each in subscriptions
        if not each.is_duplicate
    ]
    if not ranked:
        return SubscriptionSummary()
    access, best = max(ranked, key=_rank)
    ended = best.status == "canceled"
    return SubscriptionSummary(
        status=best.status,
        subscription_type=None if ended else best.subscription_type,
        subscription_end_date=best.ended_at if ended else best.cancel_at or best.current_period_end,
        entitled_until=access,
        will_renew=best.is_live and best.cancel_at is None,
    )


def _rank(ranked: tuple[datetime | None, Subscription]) -> tuple[float, bool, datetime, datetime]:
    access, subscription = ranked
    return (
        access.timestamp() if access else 0.0,
        subscription.is_live,
        subscription.created_at,
        subscription.known_since,
    )


def find_duplicates(subscriptions: Sequence[Subscription], ended_at: datetime | None = None) -> list[Subscription]:
    """Return all live subscriptions but the oldest, and those that became known after their owner `ended_at`.

    `known_since` decides the latter: Stripe's creation time is in whole seconds of another clock. Such a subscription
    was paid even if Stripe has ended it meanwhile, together with its customer.
    """
    late = [
        each for each in subscriptions if ended_at is not None and each.known_since > ended_at and not each.is_duplicate
    ]
    in_time = sorted(
        (each for each in subscriptions if each.is_live and each not in late),
        key=lambda each: (each.created_at, each.known_since),
    )
    return in_time[1:] + late
