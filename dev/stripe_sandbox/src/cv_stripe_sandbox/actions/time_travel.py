"""Time travel: moves the objects of a customer into the past, then runs what is due."""

from cv_stripe_sandbox.actions import billing_cycle, invoices, subscriptions
from cv_stripe_sandbox.clock import shift_times
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError, missing_object
from cv_stripe_sandbox.shapes import Json

_KINDS_OF_A_CUSTOMER = (
    "subscription", "invoice", "payment_intent", "charge", "refund", "payment_method", "checkout.session",
    "discount",
)  # fmt: skip


def shift(context: Context, object_id: str, seconds: int) -> Json:
    """Move an object, and all objects of its customer, by `seconds` (negative: into the past)."""
    target = context.objects.find(object_id)
    if target is None:
        raise missing_object("object", object_id)
    for body in _objects_of_customer(context, target):
        context.objects.save(_reset_anchor(shift_times(body, seconds)))
        context.objects.set_private(body["id"], shift_times(context.objects.get_private(body["id"]), seconds))
    billing_cycle.run_due(context)
    return context.objects.get(object_id, target["object"])


def renew_now(context: Context, subscription_id: str) -> Json:
    """End the current period now: the subscription is renewed or ends as scheduled."""
    subscription = subscriptions.get_not_ended(context, subscription_id)
    return _shift_to(context, subscription, subscriptions.period_end(subscription))


def retry_now(context: Context, subscription_id: str) -> Json:
    """Make the next attempt to collect an unpaid invoice now."""
    subscription = subscriptions.get_not_ended(context, subscription_id)
    attempts = [
        invoice["next_payment_attempt"]
        for invoice in invoices.open_invoices(context, subscription_id)
        if invoice["next_payment_attempt"] is not None
    ]
    if not attempts:
        raise StripeError(f"Subscription {subscription_id} has no invoice with another attempt scheduled.")
    return _shift_to(context, subscription, min(attempts))


def end_now(context: Context, subscription_id: str) -> Json:
    """Make a scheduled cancellation take effect now."""
    subscription = subscriptions.get_not_ended(context, subscription_id)
    if subscription["cancel_at"] is None:
        raise StripeError(f"Subscription {subscription_id} is not scheduled to be canceled.")
    return _shift_to(context, subscription, subscription["cancel_at"])


def expire_now(context: Context, session_id: str) -> Json:
    """Expire an open checkout session now."""
    session = context.objects.get(session_id, "checkout.session")
    context.objects.save(shift_times(session, context.now - session["expires_at"]))
    billing_cycle.run_due(context)
    return context.objects.get(session_id, "checkout.session")


def _reset_anchor(body: Json) -> Json:
    """Set the billing anchor to the end of the period: a moved anchor may be wrong, as months differ in length."""
    if body["object"] == "subscription":
        body["billing_cycle_anchor"] = subscriptions.period_end(body)
    return body


def _shift_to(context: Context, subscription: Json, moment: int) -> Json:
    return shift(context, subscription["id"], min(0, context.now - moment))


def _objects_of_customer(context: Context, target: Json) -> list[Json]:
    customer = target["id"] if target["object"] == "customer" else target.get("customer")
    if customer is None:
        return [target]
    owner = context.objects.get(customer, "customer")
    owned = [body for kind in _KINDS_OF_A_CUSTOMER for body in context.objects.select(kind, {"customer": customer})]
    bills = [body["id"] for body in owned if body["object"] == "invoice"]
    charges = [body["id"] for body in owned if body["object"] == "charge"]
    linked = context.objects.select("invoice_payment", {"invoice": bills})
    return [owner, *owned, *linked, *context.objects.select("dispute", {"charge": charges})]
