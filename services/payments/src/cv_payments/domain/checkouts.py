"""Checkouts: one attempt to buy something, from our own row to the session at Stripe."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from cv_payments.domain.offers import CURRENCY, OFFERS, Offer, PaymentType

CheckoutStatus = Literal["new", "open", "complete", "expired", "failed"]
"""Stripe's three, between `new` (Stripe has not answered yet) and `failed` (it refused to open a session)."""

LIFETIME = timedelta(minutes=31)
_SHORTEST = timedelta(minutes=30)
"""Stripe opens no page that ends sooner, by its own clock."""
_WORTH_REUSING = timedelta(minutes=3)
_OPENING = timedelta(seconds=9)
"""A moment longer than a call to Stripe may take."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a buyer asks for, at the price it has."""

    payment_type: PaymentType
    resume_id: int | None
    success_url: str
    cancel_url: str
    price_id: str

    @property
    def offer(self) -> Offer:
        return OFFERS[self.payment_type]


@dataclass(frozen=True, slots=True)
class Checkout:
    """A stored attempt. Its `parameters` are what Stripe was, or will be, asked with."""

    id: UUID
    owner_id: int
    payment_type: PaymentType
    resume_id: int | None
    amount: int
    currency: str
    price_id: str
    parameters: dict[str, Any]
    idempotency_key: str
    stripe_session_id: str | None
    url: str | None
    status: CheckoutStatus
    created_at: datetime
    expires_at: datetime
    opening_until: datetime | None
    """Until when whoever asks Stripe for the page is waited for; a process that died does not come back."""
    customer_id: str | None
    """Whom Stripe made of the buyer, once it has told."""
    polled_at: datetime | None
    """When a poll of the buyer's last asked Stripe for the session."""

    def is_being_opened(self, now: datetime) -> bool:
        """Whether somebody is asking Stripe for its page."""
        return self.status == "new" and self.opening_until is not None and now < self.opening_until

    def serves(self, wish: Wish, now: datetime) -> bool:
        """Whether a buyer with this wish can be sent to this very checkout."""
        asked = (self.payment_type, self.resume_id, self.price_id)
        addresses = (self.parameters["success_url"], self.parameters["cancel_url"])
        needed = _SHORTEST + _OPENING if self.url is None else _WORTH_REUSING
        return (
            asked == (wish.payment_type, wish.resume_id, wish.price_id)
            and addresses == (wish.success_url, wish.cancel_url)
            and self.expires_at - now > needed
        )


def begin(
    checkout_id: UUID,
    owner_id: int,
    wish: Wish,
    customer_id: str | None,
    now: datetime,
    *,
    promotion_codes: bool = False,
) -> Checkout:
    """A new attempt at a wish, by an owner whom Stripe knows as `customer_id` or not yet.

    With `promotion_codes` the buyer can enter one on Stripe's page.
    """
    expires_at = now + LIFETIME
    return Checkout(
        id=checkout_id,
        owner_id=owner_id,
        payment_type=wish.payment_type,
        resume_id=wish.resume_id,
        amount=wish.offer.amount,
        currency=CURRENCY,
        price_id=wish.price_id,
        parameters=_parameters(checkout_id, wish, customer_id, expires_at)
        | ({"allow_promotion_codes": True} if promotion_codes else {}),
        idempotency_key=f"checkout:{checkout_id}",
        stripe_session_id=None,
        url=None,
        status="new",
        created_at=now,
        expires_at=expires_at,
        opening_until=opening_until(now),
        customer_id=None,
        polled_at=None,
    )


def opening_until(now: datetime) -> datetime:
    """Until when somebody who begins to open a page now has it to themselves."""
    return now + _OPENING


def _parameters(checkout_id: UUID, wish: Wish, customer_id: str | None, expires_at: datetime) -> dict[str, Any]:
    """What Stripe is asked with. Metadata only finds our row again: it proves and grants nothing."""
    metadata = {"checkout_id": str(checkout_id), "payment_type": wish.payment_type}
    parameters: dict[str, Any] = {
        "mode": wish.offer.mode,
        "client_reference_id": str(checkout_id),
        "line_items": [{"price": wish.price_id, "quantity": 1}],
        "metadata": metadata,
        "success_url": wish.success_url,
        "cancel_url": wish.cancel_url,
        "locale": "auto",
        "expires_at": int(expires_at.timestamp()),
        "adaptive_pricing": {"enabled": False},
        "allowed_payment_method_types": ["card"],
    }
    if wish.offer.mode == "payment":
        parameters["payment_intent_data"] = {"metadata": metadata}
    else:
        parameters["subscription_data"] = {"metadata": metadata}
    if customer_id is not None:
        parameters["customer"] = customer_id
    elif wish.offer.mode == "payment":
        parameters["customer_creation"] = "always"
    return parameters
