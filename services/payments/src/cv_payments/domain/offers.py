"""Offers and their prices. At Stripe each offer is a Price with a lookup key."""

from dataclasses import dataclass
from typing import Literal

from typing_extensions import TypeAliasType

# TypeAliasType gives the enum its name in the OpenAPI document.
PaymentType = TypeAliasType("PaymentType", Literal["single", "monthly", "yearly"])
SubscriptionType = TypeAliasType("SubscriptionType", Literal["monthly", "yearly"])
Mode = Literal["payment", "subscription"]

CURRENCY = "eur"


@dataclass(frozen=True, slots=True)
class Offer:
    """Something to buy. `amount` is in cents; `interval` is None for a single payment."""

    payment_type: PaymentType
    lookup_key: str
    name: str
    amount: int
    interval: Literal["month", "year"] | None = None

    @property
    def mode(self) -> Mode:
        return "payment" if self.interval is None else "subscription"


OFFERS: dict[PaymentType, Offer] = {
    "single": Offer("single", "cv_single", "CV premium", 499),
    "monthly": Offer("monthly", "cv_monthly", "Abonnement mensuel", 999, "month"),
    "yearly": Offer("yearly", "cv_yearly", "Abonnement annuel", 9999, "year"),
}
