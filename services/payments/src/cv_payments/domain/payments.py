"""Payments: what became of one, and which of several for one resume counts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from cv_payments.domain.offers import PaymentType
from cv_payments.domain.stripe_objects import StripeInvoice, StripeSession

Outcome = Literal["pending", "succeeded", "failed"]
PaymentStatus = Literal["pending", "succeeded", "failed", "refunded"]
RefundReason = Literal["duplicate", "requested_by_customer"]

_SUSPENDING = frozenset({"needs_response", "under_review"})
_LOST = frozenset({"lost", "appeal_needs_response", "appeal_under_review"})
"""An appeal follows a lost dispute: the money is gone until it is won."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A stored payment. Each fact in it comes from one object of Stripe's; `status` follows from the facts."""

    id: int
    owner_id: int
    checkout_id: UUID | None
    subscription_id: str | None
    payment_type: PaymentType
    resume_id: int | None
    stripe_invoice_id: str | None
    stripe_payment_intent_id: str | None
    amount: int
    currency: str
    outcome: Outcome
    amount_refunded: int
    dispute_status: str | None
    status: PaymentStatus
    refund_reason: RefundReason | None
    """Why we ordered its refund ourselves, if we did."""
    grants: bool
    """Whether this is the payment by which its resume counts as paid."""
    receipt_url: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_suspended(self) -> bool:
        """The cardholder's bank holds the money back."""
        return self.dispute_status in _SUSPENDING

    @property
    def is_refundable(self) -> bool:
        """Money was paid, so it can be given back."""
        return self.amount > 0 and self.stripe_payment_intent_id is not None

    @property
    def counts(self) -> bool:
        """It is paid, kept, and nobody disputes it."""
        return self.status == "succeeded" and not self.is_suspended and self.refund_reason is None


def payment_status(outcome: Outcome, amount: int, amount_refunded: int, dispute_status: str | None) -> PaymentStatus:
    """The contract's status. A partial refund leaves a payment succeeded; a lost dispute is a refund.

    Nothing can be given back of a payment of 0, which a discount of 100 % makes.
    """
    if outcome != "succeeded":
        return outcome
    is_refunded = 0 < amount <= amount_refunded
    return "refunded" if is_refunded or dispute_status in _LOST else "succeeded"


def decisive_dispute(statuses: Iterable[str]) -> str:
    """The status that counts among the disputes of one charge: a lost one, else an open one, else any."""
    return max(statuses, key=lambda status: (status in _LOST, status in _SUSPENDING))


def session_outcome(session: StripeSession) -> Outcome:
    """What became of paying once. A card declined on Stripe's page leaves the session open: still pending."""
    if session.status == "complete" and session.is_paid:
        return "succeeded"
    return "failed" if session.status == "expired" or session.has_failed else "pending"


def invoice_outcome(invoice: StripeInvoice) -> Outcome:
    """What became of one invoice. One that Stripe will try again has failed until it is paid."""
    if invoice.status == "paid":
        return "succeeded"
    if invoice.status in {"void", "uncollectible"} or invoice.attempt_count > 0:
        return "failed"
    return "pending"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What follows for one resume: the payment that grants it, and those to give back."""

    granting: Payment | None
    refunds: tuple[tuple[Payment, RefundReason], ...]


def settle_resume(payments: Sequence[Payment], deleted: bool) -> Settlement:
    """Which payment of a resume counts. The one that already grants stays; any other is a duplicate.

    Nobody can use a deleted resume: what is paid for it is given back. A free payment has nothing to give back.
    """
    counting = sorted((payment for payment in payments if payment.counts), key=lambda each: (not each.grants, each.id))
    if deleted:
        late = tuple((payment, _REQUESTED) for payment in counting if not payment.grants and payment.is_refundable)
        return Settlement(next((payment for payment in counting if payment.grants), None), late)
    duplicates = tuple((payment, _DUPLICATE) for payment in counting[1:] if payment.is_refundable)
    return Settlement(counting[0] if counting else None, duplicates)


_DUPLICATE: RefundReason = "duplicate"
_REQUESTED: RefundReason = "requested_by_customer"
