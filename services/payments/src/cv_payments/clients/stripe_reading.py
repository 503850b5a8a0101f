"""The `stripe` library's objects as ours. A `StripeObject` is no dict, and what is missing is an AttributeError."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import stripe
from stripe.checkout import Session

from cv_payments.domain.events import LONGEST_ID, LONGEST_TYPE, ReceivedEvent
from cv_payments.domain.stripe_objects import (
    StripeCharge,
    StripeDispute,
    StripeInvoice,
    StripeInvoiceLine,
    StripeRefund,
    StripeSession,
    StripeSubscription,
)

_FAILED_REFUNDS = ("failed", "canceled")
_REFUSED_INTENTS = ("requires_payment_method", "canceled")
_WORD = re.compile(r"[!-~]+")


def read_session(session: Session) -> StripeSession:
    """A session whose `line_items` and `payment_intent` may be expanded."""
    intent = session.payment_intent
    refused = isinstance(intent, stripe.PaymentIntent) and intent.status in _REFUSED_INTENTS
    lines = session.line_items.data if "line_items" in session and session.line_items else []
    return StripeSession(
        id=session.id,
        checkout_id=_uuid(session.client_reference_id),
        mode=session.mode,
        status=session.status or "open",
        is_paid=session.payment_status != "unpaid",
        has_failed=session.status == "complete" and session.payment_status == "unpaid" and refused,
        amount_subtotal=session.amount_subtotal,
        amount_total=session.amount_total,
        currency=session.currency,
        livemode=session.livemode,
        price_ids=tuple(line.price.id for line in lines if line.price),
        customer_id=_id(session.customer),
        payment_intent_id=_id(intent),
        charge_id=_id(intent.latest_charge) if isinstance(intent, stripe.PaymentIntent) else None,
        subscription_id=_id(session.subscription),
        invoice_id=_id(session.invoice),
        url=session.url,
    )


def read_subscription(subscription: stripe.Subscription) -> StripeSubscription:
    """A subscription whose `latest_invoice` may be expanded. Scheduled to end has two shapes: both are `cancel_at`."""
    item = subscription.items.data[0]
    ends = item.current_period_end if subscription.cancel_at_period_end else None
    latest = subscription.latest_invoice
    customer_id = _id(subscription.customer)
    assert customer_id is not None
    return StripeSubscription(
        id=subscription.id,
        checkout_id=_checkout_id(subscription.metadata),
        customer_id=customer_id,
        status=subscription.status,
        livemode=subscription.livemode,
        currency=subscription.currency,
        item_count=len(subscription.items.data),
        item_id=item.id,
        price_id=item.price.id,
        quantity=getattr(item, "quantity", None),
        current_period_end=_moment(item.current_period_end),
        cancel_at=_moment_or_none(subscription.cancel_at or ends),
        ended_at=_moment_or_none(subscription.ended_at),
        latest_invoice=read_invoice(latest) if isinstance(latest, stripe.Invoice) else None,
        created=_moment(subscription.created),
    )


def read_invoice(invoice: stripe.Invoice) -> StripeInvoice:
    """An invoice whose `payments` may be expanded."""
    details = invoice.parent.subscription_details if invoice.parent else None
    paid = invoice.status == "paid"
    return StripeInvoice(
        id=invoice.id or "",
        subscription_id=_id(details.subscription) if details else None,
        status=invoice.status or "draft",
        attempt_count=invoice.attempt_count,
        amount=invoice.amount_paid if paid else invoice.amount_due,
        currency=invoice.currency,
        livemode=invoice.livemode,
        lines=tuple(_line(line) for line in invoice.lines.data),
        payment_intent_id=_intent_of(invoice),
        hosted_invoice_url=invoice.hosted_invoice_url,
        begins_subscription=invoice.billing_reason == "subscription_create",
        created=_moment(invoice.created),
    )


def read_charge(charge: stripe.Charge) -> StripeCharge:
    """A charge, with the sum of its refunds."""
    return StripeCharge(
        id=charge.id,
        checkout_id=_checkout_id(charge.metadata),
        payment_intent_id=_id(charge.payment_intent),
        amount_refunded=charge.amount_refunded,
        receipt_url=charge.receipt_url,
    )


def read_refund(refund: stripe.Refund) -> StripeRefund:
    """A refund, of a charge or of something else."""
    return StripeRefund(
        id=refund.id,
        charge_id=_id(refund.charge),
        payment_intent_id=_id(refund.payment_intent),
        has_failed=refund.status in _FAILED_REFUNDS,
    )


def read_dispute(dispute: stripe.Dispute) -> StripeDispute:
    """A dispute, or an inquiry."""
    charge_id = _id(dispute.charge)
    assert charge_id is not None
    return StripeDispute(id=dispute.id, charge_id=charge_id)


def read_event(body: Any) -> ReceivedEvent:
    """An event's JSON, sent or asked for. Raises ValueError when it is none, or its id or type cannot be kept."""
    match body:
        case {"object": "event", "id": event_id, "type": event_type, "livemode": livemode}:
            if _is_word(event_id, LONGEST_ID) and _is_word(event_type, LONGEST_TYPE):
                return ReceivedEvent(event_id, event_type, livemode is True, _object_id(body))
    raise ValueError("not an event")


def _object_id(body: Any) -> str | None:
    """What an event is about; None for one that does not say, which is quarantined rather than refused."""
    match body:
        case {"data": {"object": {"id": str(found)}}} if _is_word(found, LONGEST_ID):
            return found
    return None


def _is_word(value: Any, longest: int) -> bool:
    """Stripe's ids and types are some visible ASCII characters."""
    return isinstance(value, str) and len(value) <= longest and _WORD.fullmatch(value) is not None


def _intent_of(invoice: stripe.Invoice) -> str | None:
    """The PaymentIntent that paid an invoice, or is meant to."""
    if "payments" not in invoice or invoice.payments is None:
        return None
    attempts = sorted(invoice.payments.data, key=lambda each: (each.status == "paid", each.is_default), reverse=True)
    return next((_id(each.payment.payment_intent) for each in attempts if each.payment.type == "payment_intent"), None)


def _line(line: stripe.InvoiceLineItem) -> StripeInvoiceLine:
    pricing = line.pricing.price_details if line.pricing else None
    details = (line.parent.subscription_item_details or line.parent.invoice_item_details) if line.parent else None
    return StripeInvoiceLine(
        price_id=_id(pricing.price) if pricing else None,
        amount=line.subtotal,
        is_proration=details is not None and details.proration,
    )


def _id(value: Any) -> str | None:
    """The id of what may be an id, an expanded object, or nothing."""
    return value if value is None or isinstance(value, str) else str(value.id)


def _checkout_id(metadata: Any) -> UUID | None:
    return _uuid(metadata["checkout_id"]) if metadata is not None and "checkout_id" in metadata else None


def _uuid(text: str | None) -> UUID | None:
    """Our own id, as it comes back; None for what somebody else put there."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _moment_or_none(seconds: int | None) -> datetime | None:
    return None if seconds is None else _moment(seconds)
