"""Payments: the status of each, and which of several payments for one resume counts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypedDict
from uuid import UUID

from typing_extensions import TypeAliasType

from cv_payments.domain.offers import PaymentType
from cv_payments.domain.stripe_objects import StripeInvoice, StripeSession

PaymentOutcome = Literal["pending", "succeeded", "failed"]
PaymentStatus = TypeAliasType("PaymentStatus", Literal["pending", "succeeded", "failed", "refunded"])
RefundReason = Literal["duplicate", "requested_by_customer"]

_OPEN_DISPUTES = frozenset({"needs_response", "under_review"})
_LOST_DISPUTES = frozenset({"lost", "appeal_needs_response", "appeal_under_review"})
"""An appeal follows a lost dispute: the money is gone until the appeal is won."""


class PaymentFacts(TypedDict, total=False):
    """What an object at Stripe says about a payment."""

    outcome: PaymentOutcome
    amount: int
    stripe_payment_intent_id: str | None
    amount_refunded: int
    dispute_status: str | None
    receipt_url: str | None


@dataclass(frozen=True, slots=True)
class Payment:
    """A stored payment. Each fact comes from one object at Stripe; `status` follows from the facts."""

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
    outcome: PaymentOutcome
    amount_refunded: int
    dispute_status: str | None
    status: PaymentStatus
    refund_reason: RefundReason | None
    """Why the service ordered a refund; None when it did not."""
    grants: bool
    """Whether its resume counts as paid because of this payment."""
    receipt_url: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_suspended(self) -> bool:
        """Return whether the cardholder's bank holds the money back during a dispute."""
        return self.dispute_status in _OPEN_DISPUTES

    @property
    def is_refundable(self) -> bool:
        """Return whether money was paid."""
        return self.amount > 0 and self.stripe_payment_intent_id is not None

    @property
    def counts(self) -> bool:
        """Return whether it is paid, not refunded and not disputed."""
        return self.status == "succeeded" and not self.is_suspended and self.refund_reason is None

    def with_facts(self, facts: PaymentFacts) -> "Payment":
        """Return the payment with these facts and the status that follows."""
        updated = replace(self, **facts)
        status = payment_status(updated.outcome, updated.amount, updated.amount_refunded, updated.dispute_status)
        return replace(updated, status=status)


def payment_status(
    outcome: PaymentOutcome, amount: int, amount_refunded: int, dispute_status: str | None
) -> PaymentStatus:
    """Return the status in the API. A partial refund leaves a payment succeeded; a lost dispute counts as a refund.

    A payment of 0, after a discount of 100 %, cannot be refunded.
    """
    if outcome != "succeeded":
        return outcome
    is_refunded = 0 < amount <= amount_refunded
    return "refunded" if is_refunded or dispute_status in _LOST_DISPUTES else "succeeded"


def decisive_dispute(statuses: Iterable[str]) -> str:
    """Return the status that counts among the disputes of one charge: a lost one first, then an open one, then any."""
    return max(statuses, key=lambda status: (status in _LOST_DISPUTES, status in _OPEN_DISPUTES))


def session_outcome(session: StripeSession) -> PaymentOutcome:
    """Return the outcome of a single payment. A declined card leaves the session open, so the payment stays pending."""
    if session.status == "complete" and session.is_paid:
        return "succeeded"
    return "failed" if session.status == "expired" or session.has_failed else "pending"


def invoice_outcome(invoice: StripeInvoice) -> PaymentOutcome:
    """Return the outcome of an invoice. One that Stripe will try to collect again counts as failed until it is paid."""
    if invoice.status == "paid":
        return "succeeded"
    if invoice.status in {"void", "uncollectible"} or invoice.attempt_count > 0:
        return "failed"
    return "pending"


@dataclass(frozen=True, slots=True)
class ResumePaymentState:
    """Whether a resume is paid, as last published, and the revision of that event."""

    id: int
    paid: bool
    revision: int
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """The payment that grants a resume, and the payments to refund."""

    granting: Payment | None
    refunds: tuple[tuple[Payment, RefundReason], ...]


def settle_resume(payments: Sequence[Payment], deleted: bool) -> Settlement:
    """Return which payment of a resume counts. The one that already grants stays; the others are duplicates.

    Nobody can use a deleted resume, so a payment after the deletion is refunded. A free payment needs no refund.
    """
    counting = sorted((payment for payment in payments if payment.counts), key=lambda each: (not each.grants, each.id))
    if deleted:
        late = tuple((payment, _REQUESTED) for payment in counting if not payment.grants and payment.is_refundable)
        return Settlement(next((payment for payment in counting if payment.grants), None), late)
    duplicates = tuple((payment, _DUPLICATE) for payment in counting[1:] if payment.is_refundable)
    return Settlement(counting[0] if counting else None, duplicates)


_DUPLICATE: RefundReason = "duplicate"
_REQUESTED: RefundReason = "requested_by_customer"
