"""Checkouts: one attempt to buy something, from the stored row to the session at Stripe."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NotRequired, TypedDict
from uuid import UUID

from cv_payments.domain.offers import CURRENCY, OFFERS, Mode, Offer, PaymentType

CheckoutStatus = Literal["new", "open", "complete", "expired", "failed"]
"""`new`: Stripe has not answered yet. `failed`: Stripe opened no session. The others are Stripe's."""

LIFETIME = timedelta(minutes=31)
_MIN_LIFETIME = timedelta(minutes=30)
"""Stripe opens no session that expires sooner, by its own clock."""
_MIN_TIME_TO_PAY = timedelta(minutes=3)
"""An open session that expires sooner is not offered again."""
_LEASE = timedelta(seconds=9)
"""A little longer than a call to Stripe may take."""


class _LineItem(TypedDict):
    price: str
    quantity: int


class SessionParameters(TypedDict):
    """The parameters with which Stripe creates a session. They are stored as JSON."""

    mode: Mode
    client_reference_id: str
    line_items: list[_LineItem]
    metadata: dict[str, str]
    success_url: str
    cancel_url: str
    locale: str
    expires_at: int
    adaptive_pricing: dict[str, bool]
    allowed_payment_method_types: list[str]
    allow_promotion_codes: NotRequired[bool]
    payment_intent_data: NotRequired[dict[str, dict[str, str]]]
    subscription_data: NotRequired[dict[str, dict[str, str]]]
    customer: NotRequired[str]
    customer_creation: NotRequired[str]


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """What a buyer asks for, with its price."""

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
    """A stored checkout."""

    id: UUID
    owner_id: int
    payment_type: PaymentType
    resume_id: int | None
    amount: int
    currency: str
    price_id: str
    parameters: SessionParameters
    idempotency_key: str
    stripe_session_id: str | None
    url: str | None
    status: CheckoutStatus
    created_at: datetime
    expires_at: datetime
    opening_until: datetime | None
    """While one request opens the page at Stripe, other requests wait until this time at most."""

    def is_being_opened(self, now: datetime) -> bool:
        """Return whether another request is opening its page at Stripe."""
        return self.status == "new" and self.opening_until is not None and now < self.opening_until

    def can_serve(self, request: CheckoutRequest, now: datetime) -> bool:
        """Return whether a buyer with this request can use this checkout."""
        min_time_left = _MIN_LIFETIME + _LEASE if self.url is None else _MIN_TIME_TO_PAY
        return (
            (self.payment_type, self.resume_id, self.price_id)
            == (request.payment_type, request.resume_id, request.price_id)
            and self.parameters["success_url"] == request.success_url
            and self.parameters["cancel_url"] == request.cancel_url
            and self.expires_at - now > min_time_left
        )


def new_checkout(
    checkout_id: UUID,
    owner_id: int,
    request: CheckoutRequest,
    customer_id: str | None,
    now: datetime,
    *,
    promotion_codes: bool = False,
) -> Checkout:
    """Return a checkout for a request. `customer_id` is the owner's customer at Stripe, if there is one.

    With `promotion_codes` the buyer can enter a promotion code on Stripe's page.
    """
    expires_at = now + LIFETIME
    parameters = _parameters(checkout_id, request, customer_id, expires_at)
    if promotion_codes:
        parameters["allow_promotion_codes"] = True
    return Checkout(
        id=checkout_id,
        owner_id=owner_id,
        payment_type=request.payment_type,
        resume_id=request.resume_id,
        amount=request.offer.amount,
        currency=CURRENCY,
        price_id=request.price_id,
        parameters=parameters,
        idempotency_key=f"checkout:{checkout_id}",
        stripe_session_id=None,
        url=None,
        status="new",
        created_at=now,
        expires_at=expires_at,
        opening_until=lease_until(now),
    )


def lease_until(now: datetime) -> datetime:
    """Return until when a request that starts to open a page now has the checkout to itself."""
    return now + _LEASE


def _parameters(
    checkout_id: UUID, request: CheckoutRequest, customer_id: str | None, expires_at: datetime
) -> SessionParameters:
    """Return the parameters. The metadata only helps to find the checkout again: it proves and grants nothing."""
    metadata = {"checkout_id": str(checkout_id), "payment_type": request.payment_type}
    parameters: SessionParameters = {
        "mode": request.offer.mode,
        "client_reference_id": str(checkout_id),
        "line_items": [{"price": request.price_id, "quantity": 1}],
        "metadata": metadata,
        "success_url": request.success_url,
        "cancel_url": request.cancel_url,
        "locale": "auto",
        "expires_at": int(expires_at.timestamp()),
        "adaptive_pricing": {"enabled": False},
        "allowed_payment_method_types": ["card"],
    }
    if request.offer.mode == "payment":
        parameters["payment_intent_data"] = {"metadata": metadata}
    else:
        parameters["subscription_data"] = {"metadata": metadata}
    if customer_id is not None:
        parameters["customer"] = customer_id
    elif request.offer.mode == "payment":
        parameters["customer_creation"] = "always"
    return parameters
