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
    amount_subtotal: int | None
    """Before discounts and taxes: the sum of the prices."""
    amount_total: int | None
    """What is paid; 0 with a discount of 100 %."""
    currency: str | None
    livemode: bool
    price_ids: tuple[str, ...]
    customer_id: str | None
    payment_intent_id: str | None
    charge_id: str | None
    subscription_id: str | None
    invoice_id: str | None
    """The first invoice of the subscription that it began."""
    url: str | None


@dataclass(frozen=True, slots=True)
class StripeInvoiceLine:
    """A line of an invoice, before discounts and taxes. A proration charges part of a period, or gives it back."""

    price_id: str | None
    amount: int
    is_proration: bool


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
    lines: tuple[StripeInvoiceLine, ...]
    payment_intent_id: str | None
    hosted_invoice_url: str | None
    begins_subscription: bool
    """It is a subscription's first."""
    created: datetime

    @property
    def price_id(self) -> str | None:
        """What it is for: its dearest line, since a change of plan also credits the old one."""
        priced = [line for line in self.lines if line.price_id is not None]
        return max(priced, key=lambda line: line.amount).price_id if priced else None


@dataclass(frozen=True, slots=True)
class StripeSubscription:
    """A Subscription. Item, price, quantity and period are those of its first item; we sell no more than one."""

    id: str
    checkout_id: UUID | None
    customer_id: str
    status: str
    livemode: bool
    currency: str
    item_count: int
    item_id: str
    price_id: str
    quantity: int | None
    current_period_end: datetime
    cancel_at: datetime | None
    """When it ends by itself, in whichever of its two shapes Stripe said so; None when it renews."""
    ended_at: datetime | None
    latest_invoice: StripeInvoice | None
    created: datetime

    @property
    def has_ended(self) -> bool:
        """It is over for good, or never began."""
        return self.status in {"canceled", "incomplete_expired"}


@dataclass(frozen=True, slots=True)
class StripeCharge:
    """A Charge. `amount_refunded` is the sum of all refunds so far."""

    id: str
    checkout_id: UUID | None
    payment_intent_id: str | None
    amount_refunded: int
    receipt_url: str | None


@dataclass(frozen=True, slots=True)
class StripeRefund:
    """A Refund. One that `has_failed` gave nothing back in the end."""

    id: str
    charge_id: str | None
    payment_intent_id: str | None
    has_failed: bool


@dataclass(frozen=True, slots=True)
class StripeDispute:
    """A Dispute, or the inquiry before one."""

    id: str
    charge_id: str
