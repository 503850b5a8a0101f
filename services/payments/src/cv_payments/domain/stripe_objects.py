"""The fields of Stripe's objects that the service uses, under Stripe's names where possible."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class StripeSession:
    """A Checkout Session. `checkout_id` is the service's own id; amounts are in cents."""

    id: str
    checkout_id: UUID | None
    mode: str
    status: str
    is_paid: bool
    has_failed: bool
    """Whether the bank refused a delayed payment after the buyer had finished."""
    amount_subtotal: int | None
    """Before discounts and taxes: the sum of the prices."""
    amount_total: int | None
    """The amount to pay; 0 with a discount of 100 %."""
    currency: str | None
    livemode: bool
    price_ids: tuple[str, ...]
    customer_id: str | None
    payment_intent_id: str | None
    charge_id: str | None
    subscription_id: str | None
    invoice_id: str | None
    """The first invoice of the subscription that the session started."""
    url: str | None


@dataclass(frozen=True, slots=True)
class StripeInvoiceLine:
    """A line of an invoice, before discounts and taxes. A proration charges or credits a part of a period."""

    price_id: str | None
    amount: int
    is_proration: bool


@dataclass(frozen=True, slots=True)
class StripeInvoice:
    """An Invoice of a subscription. `amount` is the amount paid, or the amount due until it is paid."""

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
    is_first: bool
    """Whether it is the first invoice of its subscription."""
    created: datetime

    @property
    def price_id(self) -> str | None:
        """Return the price of its largest line: a change of plan also has a line that credits the old plan."""
        priced = [line for line in self.lines if line.price_id is not None]
        return max(priced, key=lambda line: line.amount).price_id if priced else None


@dataclass(frozen=True, slots=True)
class StripeSubscription:
    """A Subscription. Item, price, quantity and period are those of its first item; the offers have only one."""

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
    """When a scheduled cancellation takes effect; None when it renews. Stripe has two forms of it."""
    ended_at: datetime | None
    latest_invoice: StripeInvoice | None
    created: datetime

    @property
    def has_ended(self) -> bool:
        """Return whether it is over, or never started."""
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
    """A Refund. One that `has_failed` returned no money."""

    id: str
    charge_id: str | None
    payment_intent_id: str | None
    has_failed: bool
