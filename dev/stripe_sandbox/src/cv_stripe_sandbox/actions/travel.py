"""Making the future happen now: a customer's objects are moved into the past, and what is due is done."""

from cv_stripe_sandbox.actions import billing_cycle, invoices, subscriptions
from cv_stripe_sandbox.clock import shifted
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError, missing_object
from cv_stripe_sandbox.shapes import Json

_KINDS_OF_A_CUSTOMER = (
    "subscription", "invoice", "payment_intent", "charge", "refund", "payment_method", "checkout.session",
    "discount",
)  # fmt: skip


def shift(context: Context, object_id: str, seconds: int) -> Json:
    """Move an object, and all else of its customer, by `seconds` (negative: into the past)."""
    target = context.objects.find(object_id)
    if target is None:
        raise missing_object("object", object_id)
    for body in _belongings(context, target):
        context.objects.save(_anchored(shifted(body, seconds)))
        context.objects.remember(body["id"], shifted(context.objects.private(body["id"]), seconds))
    billing_cycle.run_due(context)
    return context.objects.get(object_id, target["object"])


def to_renewal(context: Context, subscription_id: str) -> Json:
    """The running period ends now: the subscription renews, or its renewal fails, or it ends as scheduled."""
    subscription = subscriptions.living(context, subscription_id)
    return _until(context, subscription, subscriptions.period_end(subscription))


def to_retry(context: Context, subscription_id: str) -> Json:
    """The next attempt to collect an unpaid invoice is made now."""
    subscription = subscriptions.living(context, subscription_id)
    attempts = [
        invoice["next_payment_attempt"]
        for invoice in invoices.open_invoices(context, subscription_id)
        if invoice["next_payment_attempt"] is not None
    ]
    if not attempts:
        raise StripeError(f"Subscription {subscription_id} has no invoice that waits for another attempt.")
    return _until(context, subscription, min(attempts))


def to_cancellation(context: Context, subscription_id: str) -> Json:
    """The scheduled cancellation takes effect now."""
    subscription = subscriptions.living(context, subscription_id)
    if subscription["cancel_at"] is None:
        raise StripeError(f"Subscription {subscription_id} is not scheduled to be cancelled.")
    return _until(context, subscription, subscription["cancel_at"])


def to_expiry(context: Context, session_id: str) -> Json:
    """An open checkout session expires now, as when its time is over."""
    session = context.objects.get(session_id, "checkout.session")
    context.objects.save(shifted(session, context.now - session["expires_at"]))
    billing_cycle.run_due(context)
    return context.objects.get(session_id, "checkout.session")


def _anchored(body: Json) -> Json:
    """Months differ in length, so a shifted anchor would be a day off: the period's end serves as well."""
    if body["object"] == "subscription":
        body["billing_cycle_anchor"] = subscriptions.period_end(body)
    return body


def _until(context: Context, subscription: Json, moment: int) -> Json:
    return shift(context, subscription["id"], min(0, context.now - moment))


def _belongings(context: Context, target: Json) -> list[Json]:
    customer = target["id"] if target["object"] == "customer" else target.get("customer")
    if customer is None:
        return [target]
    owner = context.objects.get(customer, "customer")
    owned = [body for kind in _KINDS_OF_A_CUSTOMER for body in context.objects.select(kind, {"customer": customer})]
    bills = [body["id"] for body in owned if body["object"] == "invoice"]
    charges = [body["id"] for body in owned if body["object"] == "charge"]
    linked = context.objects.select("invoice_payment", {"invoice": bills})
    return [owner, *owned, *linked, *context.objects.select("dispute", {"charge": charges})]
