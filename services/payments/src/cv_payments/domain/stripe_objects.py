"""The fields of Stripe's objects that decide anything here, under Stripe's names wherever they fit."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class StripeSession:
    """A Checkout Session. `checkout_id` is our own id, as Stripe gives it back; amounts are in cents."""

    id: str
    checkout_id: UUID | None
    mode: str
    status: str
    is_paid: bool
    has_failed: bool
    """A delayed payment was refused after the buyer had finished."""
    amount_total: int | None
    currency: str | None
    livemode: bool
    price_ids: tuple[str, ...]
    customer_id: str | None
    payment_intent_id: str | None
    charge_id: str | None
    subscription_id: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class StripeSubscription:
    """A Subscription. The period is that of its only item."""

    id: str
    checkout_id: UUID | None
    customer_id: str
    status: str
    livemode: bool
    item_id: str
    price_id: str
    current_period_end: datetime
    cancel_at: datetime | None
    """When it ends by itself, in whichever of its two shapes Stripe said so; None when it renews."""
    ended_at: datetime | None
    latest_invoice_at: datetime | None
    created: datetime


@dataclass(frozen=True, slots=True)
class StripeInvoice:
    """An Invoice of a subscription. `amount` is what was paid, or what is due until it is."""

    id: str
    subscription_id: str | None
    status: str
    attempt_count: int
    amount: int
    currency: str
    livemode: bool
    price_id: str | None
    payment_intent_id: str | None
    hosted_invoice_url: str | None
    created: datetime


@dataclass(frozen=True, slots=True)
class StripeCharge:
    """A Charge. `amount_refunded` is the sum of all refunds so far."""

    id: str
    checkout_id: UUID | None
    payment_intent_id: str | None
    livemode: bool
    amount_refunded: int
    receipt_url: str | None


@dataclass(frozen=True, slots=True)
class StripeDispute:
    """A Dispute, or the inquiry before one (`warning_…`)."""

    id: str
    charge_id: str
    payment_intent_id: str | None
    livemode: bool
    status: str
