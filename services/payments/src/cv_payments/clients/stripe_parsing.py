"""Conversion of the `stripe` library's objects. A missing field of a `StripeObject` raises AttributeError."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import stripe
from stripe.checkout import Session

from cv_payments.domain.events import MAX_ID_LENGTH, MAX_TYPE_LENGTH, StripeEvent
from cv_payments.domain.stripe_objects import (
    StripeCharge,
    StripeInvoice,
    StripeInvoiceLine,
    StripeRefund,
    StripeSession,
    StripeSubscription,
)

_FAILED_REFUNDS = ("failed", "canceled")
_REFUSED_INTENTS = ("requires_payment_method", "canceled")
_WORD = re.compile(r"[!-~]+")


def parse_session(session: Session) -> StripeSession:
    """Parse a session whose `line_items` and `payment_intent` may be expanded."""
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


def parse_subscription(subscription: stripe.Subscription) -> StripeSubscription:
    """Parse a subscription. Both forms of a scheduled end become `cancel_at`; `latest_invoice` may be expanded."""
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
        current_period_end=_time(item.current_period_end),
        cancel_at=_optional_time(subscription.cancel_at or ends),
        ended_at=_optional_time(subscription.ended_at),
        latest_invoice=parse_invoice(latest) if isinstance(latest, stripe.Invoice) else None,
        created=_time(subscription.created),
    )


def parse_invoice(invoice: stripe.Invoice) -> StripeInvoice:
    """Parse an invoice whose `payments` may be expanded."""
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
        is_first=invoice.billing_reason == "subscription_create",
        created=_time(invoice.created),
    )


def parse_charge(charge: stripe.Charge) -> StripeCharge:
    """Parse a charge with the sum of its refunds."""
    return StripeCharge(
        id=charge.id,
        checkout_id=_checkout_id(charge.metadata),
        payment_intent_id=_id(charge.payment_intent),
        amount_refunded=charge.amount_refunded,
        receipt_url=charge.receipt_url,
    )


def parse_refund(refund: stripe.Refund) -> StripeRefund:
    """Parse a refund, of a charge or of another object."""
    return StripeRefund(
        id=refund.id,
        charge_id=_id(refund.charge),
        payment_intent_id=_id(refund.payment_intent),
        has_failed=refund.status in _FAILED_REFUNDS,
    )


def parse_event(body: object) -> StripeEvent:
    """Parse the JSON of an event. Raises ValueError for other JSON, and for an id or type that cannot be stored."""
    match body:
        case {"object": "event", "id": str(event_id), "type": str(event_type), "livemode": livemode}:
            if _is_word(event_id, MAX_ID_LENGTH) and _is_word(event_type, MAX_TYPE_LENGTH):
                return StripeEvent(event_id, event_type, livemode is True, _object_id(body))
    raise ValueError("not an event")


def _object_id(body: object) -> str | None:
    """Return the id of the object that an event is about. An event without one is stored and quarantined."""
    match body:
        case {"data": {"object": {"id": str(found)}}} if _is_word(found, MAX_ID_LENGTH):
            return found
    return None


def _is_word(text: str, max_length: int) -> bool:
    """Return whether `text` consists of visible ASCII characters, as Stripe's ids and types do."""
    return len(text) <= max_length and _WORD.fullmatch(text) is not None


def _intent_of(invoice: stripe.Invoice) -> str | None:
    """Return the PaymentIntent that paid an invoice, or will pay it."""
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
    """Return the id of a reference: of an id itself, an expanded object, or None."""
    return value if value is None or isinstance(value, str) else str(value.id)


def _checkout_id(metadata: Any) -> UUID | None:
    return _uuid(metadata["checkout_id"]) if metadata is not None and "checkout_id" in metadata else None


def _uuid(text: str | None) -> UUID | None:
    """Return the service's own id; None for the text of another application."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _optional_time(seconds: int | None) -> datetime | None:
    return None if seconds is None else _time(seconds)
