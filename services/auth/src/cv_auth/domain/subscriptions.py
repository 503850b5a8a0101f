"""What a subscription means to its owner at one moment. Time alone changes it, so it is never stored."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Subscription:
    """An owner's subscription as the profile tells of it."""

    is_premium: bool = False
    subscription_type: str | None = None
    subscription_end_date: datetime | None = None


NONE = Subscription()


def current_subscription(
    subscription_type: str | None,
    subscription_end_date: datetime | None,
    entitled_until: datetime | None,
    now: datetime,
) -> Subscription:
    """The subscription from what payments last told us: one that entitles to nothing any more is none."""
    if entitled_until is None or now >= entitled_until:
        return NONE
    return Subscription(True, subscription_type, subscription_end_date)
