"""The subscription of an account at a given time. It ends by time alone, so it is computed when read."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as the profile shows it."""

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
    """The subscription at `now`, from the latest state of payments. An account is entitled before `entitled_until`."""
    if entitled_until is None or now >= entitled_until:
        return NONE
    return Subscription(True, subscription_type, subscription_end_date)
