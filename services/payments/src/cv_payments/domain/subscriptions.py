"""Subscriptions: Stripe's states in the contract's words, until when each entitles, and what several amount to."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from cv_payments.domain.findings import Quarantined
from cv_payments.domain.offers import SubscriptionType

SubscriptionStatus = Literal["active", "canceled", "past_due", "incomplete", "trialing"]


@dataclass(frozen=True, slots=True)
class Grace:
    """How long access outlasts a period whose renewal we have not heard of, and an invoice that is past due."""

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


def contract_status(stripe_status: str) -> SubscriptionStatus:
    """Stripe's state in the contract's words. Raises Quarantined for one that nobody has heard of."""
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
    superfluous: bool
    """It came while another of the same owner lived, or after its owner's end; we cancel and refund it."""
    created_at: datetime
    """At Stripe, in whole seconds."""
    known_since: datetime
    updated_at: datetime

    @property
    def status(self) -> SubscriptionStatus:
        return contract_status(self.stripe_status)

    @property
    def is_live(self) -> bool:
        """It goes on unless somebody ends it."""
        return self.stripe_status in _LIVE and not self.superfluous

    def entitled_until(self, grace: Grace) -> datetime | None:
        """Until when it gives access, as far as its own state goes; None: not at all."""
        if self.superfluous:
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
class Standing:
    """What an owner's subscriptions amount to."""

    status: SubscriptionStatus = "canceled"
    subscription_type: SubscriptionType | None = None
    subscription_end_date: datetime | None = None
    entitled_until: datetime | None = None
    will_renew: bool = False


def standing(subscriptions: Sequence[Subscription], grace: Grace, suspended: Collection[str] = ()) -> Standing:
    """The best of an owner's subscriptions. Those named in `suspended` have a disputed payment: no access meanwhile."""
    rated = [
        (None if each.id in suspended else each.entitled_until(grace), each)
        for each in subscriptions
        if not each.superfluous
    ]
    if not rated:
        return Standing()
    access, best = max(rated, key=_rank)
    ended = best.status == "canceled"
    return Standing(
        status=best.status,
        subscription_type=None if ended else best.subscription_type,
        subscription_end_date=best.ended_at if ended else best.cancel_at or best.current_period_end,
        entitled_until=access,
        will_renew=best.is_live and best.cancel_at is None,
    )


def _rank(rated: tuple[datetime | None, Subscription]) -> tuple[float, bool, datetime, datetime]:
    access, subscription = rated
    return (
        access.timestamp() if access else 0.0,
        subscription.is_live,
        subscription.created_at,
        subscription.known_since,
    )


def superfluous(subscriptions: Sequence[Subscription], ended_at: datetime | None = None) -> list[Subscription]:
    """Of several that live at once, all but the oldest; and any that we heard of only after their owner `ended_at`.

    When we heard of it, not when Stripe says it began: that is in whole seconds, and by another clock. Stripe may have
    ended it by then, together with its customer: it was paid all the same.
    """
    late = [
        each for each in subscriptions if ended_at is not None and each.known_since > ended_at and not each.superfluous
    ]
    in_time = sorted(
        (each for each in subscriptions if each.is_live and each not in late),
        key=lambda each: (each.created_at, each.known_since),
    )
    return in_time[1:] + late
