"""Issue invoices of subscriptions, collect and retry their payment, and void them."""

from cv_stripe_sandbox.actions import payments
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects import billing
from cv_stripe_sandbox.shapes import Json

_DAY = 86400
_RETRY_AFTER_DAYS = (3, 5, 7)
"""Days from each failed attempt to the next. The fourth failure is the last."""


def issue(context: Context, invoice: Json) -> Json:
    """Store an invoice as a draft and finalize it at once. Stripe waits an hour for renewals."""
    finalized = {name: invoice[name] for name in ("status", "number", "effective_at", "status_transitions")}
    draft = {
        "status": "draft",
        "number": None,
        "effective_at": None,
        "status_transitions": {**invoice["status_transitions"], "finalized_at": None},
    }
    context.create(invoice | draft, event="invoice.created")
    links = {
        "hosted_invoice_url": f"{context.settings.public_url}/i/{invoice['id']}",
        "invoice_pdf": f"{context.settings.public_url}/i/{invoice['id']}/pdf",
    }
    context.update(invoice | draft, finalized | links, event="invoice.finalized")
    customer = context.objects.get(invoice["customer"], "customer")
    context.update(
        customer,
        {"balance": invoice["ending_balance"], "next_invoice_sequence": customer["next_invoice_sequence"] + 1},
    )
    return context.objects.get(invoice["id"], "invoice")


def collect(context: Context, invoice: Json, method: Json | None) -> bool:
    """Try to pay an open invoice with a card. An invoice with amount 0 needs no card."""
    if invoice["amount_due"] == 0:
        _mark_paid(context, invoice, attempts=invoice["attempt_count"])
        return True
    link, intent = _get_or_create_payment(context, invoice)
    attempts = invoice["attempt_count"] + 1
    if method is not None and payments.attempt(context, intent, method):
        _mark_paid(context, invoice, attempts=attempts)
        _mark_payment_paid(context, link)
        return True
    record_failure(context, invoice, attempts=attempts)
    return False


def record_failure(context: Context, invoice: Json, *, attempts: int) -> None:
    """Record a failed attempt and schedule the next, if there is one."""
    retries_left = attempts <= len(_RETRY_AFTER_DAYS)
    upcoming = context.now + _RETRY_AFTER_DAYS[attempts - 1] * _DAY if retries_left else None
    changes = {"attempt_count": attempts, "attempted": True, "next_payment_attempt": upcoming}
    context.update(invoice, changes, event="invoice.payment_failed")


def void(context: Context, invoice: Json) -> Json:
    """Void an invoice."""
    transitions = invoice["status_transitions"] | {"voided_at": context.now}
    changes = {"status": "void", "next_payment_attempt": None, "status_transitions": transitions}
    return context.update(invoice, changes, event="invoice.voided")


def stop_collecting(context: Context, subscription: str) -> None:
    """Stop the retries of a subscription's open invoices, which stay open."""
    for invoice in open_invoices(context, subscription):
        context.update(invoice, {"auto_advance": False, "next_payment_attempt": None})


def open_invoices(context: Context, subscription: str) -> list[Json]:
    """Return the unpaid invoices of a subscription, oldest first."""
    return context.objects.select(
        "invoice", {"parent.subscription_details.subscription": subscription, "status": "open"}
    )


def get_payable(context: Context, invoice_id: str) -> Json:
    """Return the open invoice with this id. Raises StripeError if it cannot be paid."""
    invoice = context.objects.get(invoice_id, "invoice")
    if invoice["status"] == "paid":
        raise StripeError("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] != "open":
        message = f"This invoice is {invoice['status']} and can no longer be paid."
        raise StripeError(message, code="invoice_not_editable")
    return invoice


def subscription_of(invoice: Json) -> str:
    """Return the id of the invoice's subscription."""
    return str(invoice["parent"]["subscription_details"]["subscription"])


def payments_of(context: Context, invoice: str) -> list[Json]:
    """Return the InvoicePayments of an invoice."""
    return context.objects.select("invoice_payment", {"invoice": invoice})


def _get_or_create_payment(context: Context, invoice: Json) -> tuple[Json, Json]:
    """Return the invoice's InvoicePayment and PaymentIntent, which the first attempt creates."""
    for link in payments_of(context, invoice["id"]):
        return link, context.objects.get(link["payment"]["payment_intent"], "payment_intent")
    intent = payments.create_intent(context, invoice["amount_due"], invoice["currency"], customer=invoice["customer"])
    created = invoice["billing_reason"] == "subscription_create"
    context.update(intent, {"description": f"Subscription {'creation' if created else 'update'}"})
    return context.create(billing.invoice_payment(invoice, intent["id"], context.now)), intent


def _mark_paid(context: Context, invoice: Json, *, attempts: int) -> None:
    changes = {
        "amount_paid": invoice["amount_due"],
        "amount_remaining": 0,
        "attempt_count": attempts,
        "attempted": True,
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": "paid",
        "status_transitions": invoice["status_transitions"] | {"paid_at": context.now},
    }
    context.update(invoice, changes)
    context.emit("invoice.paid", invoice)
    context.emit("invoice.payment_succeeded", invoice)


def _mark_payment_paid(context: Context, link: Json) -> None:
    changes = {
        "amount_paid": link["amount_requested"],
        "status": "paid",
        "status_transitions": link["status_transitions"] | {"paid_at": context.now},
    }
    context.update(link, changes)
    context.emit("invoice_payment.paid", link)
