"""The lifecycle of a subscription: create, renew, collect, cancel, pause, resume, end."""

from dataclasses import dataclass

from cv_stripe_sandbox.actions import customers, discounts, invoices
from cv_stripe_sandbox.clock import add_interval
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.formatting import format_money
from cv_stripe_sandbox.objects import billing
from cv_stripe_sandbox.shapes import Json

UPDATED = "customer.subscription.updated"
ENDED = ("canceled", "incomplete_expired")


@dataclass(frozen=True)
class Plan:
    """What a new subscription is created from: the session's line items, metadata and description."""

    lines: list[Json]
    metadata: Json
    description: str | None = None


def create(context: Context, session: Json, plan: Plan, method: Json) -> Json:
    """Create a paid subscription with its first invoice. Returns the session's links to them.

    Since `basil` it is created after the payment, so it is active at once.
    """
    customer = context.objects.get(method["customer"], "customer")
    subscription = billing.subscription(customer, dict(plan.metadata), method["id"], context.now)
    subscription |= {"currency": session["currency"], "description": plan.description}
    recurring = [line for line in plan.lines if line["price"]["recurring"]]
    for line in recurring:
        end = add_interval(context.now, **_interval(line["price"]))
        subscription["items"]["data"].append(
            billing.subscription_item(subscription["id"], line["price"], line["quantity"], context.now, end)
        )
    for redeemed in session["discounts"]:
        applied_to = {"customer": customer["id"], "subscription": subscription["id"]}
        subscription["discounts"].append(discounts.attach(context, redeemed, applied_to)["id"])
    invoice = _build_invoice(context, subscription, _period_lines(context, subscription), "subscription_create")
    subscription["latest_invoice"] = invoice["id"]
    context.create(subscription, event="customer.subscription.created")
    invoices.collect(context, invoices.issue(context, invoice), method)
    discounts.end_single_use(context, subscription)
    return {"subscription": subscription["id"], "invoice": invoice["id"]}


def renew(context: Context, subscription: Json) -> None:
    """Start a new period and collect its invoice. After a failure the period is advanced and the status past_due."""
    before = subscription["items"]["data"][0]
    items = [_next_period(item, subscription["billing_cycle_anchor"]) for item in subscription["items"]["data"]]
    changes: Json = {"items": subscription["items"] | {"data": items}}
    if subscription["status"] == "unpaid":
        context.update(subscription, changes, event=UPDATED)
        return
    after = subscription | changes
    lines = _period_lines(context, after) + _pop_pending_lines(context, subscription["id"])
    invoice = _build_invoice(context, after, lines, "subscription_cycle")
    # The period of a renewal's invoice is the one that has ended; its lines have the new one.
    invoice |= {"period_start": before["current_period_start"], "period_end": before["current_period_end"]}
    context.update(subscription, changes | {"latest_invoice": invoice["id"]}, event=UPDATED)
    discounts.end_single_use(context, subscription)
    collect(context, subscription, invoices.issue(context, invoice))


def collect(context: Context, subscription: Json, invoice: Json) -> bool:
    """Try to pay an invoice with the subscription's card, and update the status of the subscription."""
    paid = invoices.collect(context, invoice, card_of(context, subscription))
    if paid and subscription["status"] in {"past_due", "unpaid", "incomplete"}:
        context.update(subscription, {"status": "active"}, event=UPDATED)
    elif not paid:
        _handle_failed_payment(context, subscription, invoice)
    return paid


def end(context: Context, subscription: Json, reason: str, *, details: Json | None = None) -> Json:
    """End a subscription."""
    cancellation_details = {name: value or None for name, value in (details or {}).items()}
    changes = {
        "cancel_at_period_end": False,
        "canceled_at": subscription["canceled_at"] or context.now,
        "cancellation_details": subscription["cancellation_details"] | cancellation_details | {"reason": reason},
        "ended_at": context.now,
        "status": "canceled",
    }
    context.update(subscription, changes)
    context.emit("customer.subscription.deleted", subscription)
    invoices.stop_collecting(context, subscription["id"])
    return subscription


def cancel(context: Context, subscription_id: str, details: Json | None = None) -> Json:
    """Cancel a subscription now."""
    return end(context, get_not_ended(context, subscription_id), "cancellation_requested", details=details)


def schedule_cancel(context: Context, subscription_id: str, details: Json | None = None) -> Json:
    """Cancel at the end of the period, with `cancel_at`, as the portal does in flexible billing mode."""
    subscription = get_not_ended(context, subscription_id)
    cancellation_details = subscription["cancellation_details"] | (details or {}) | {"reason": "cancellation_requested"}
    changes = {
        "cancel_at": period_end(subscription),
        "canceled_at": context.now,
        "cancellation_details": cancellation_details,
    }
    return context.update(subscription, changes, event=UPDATED)


def undo_scheduled_cancel(context: Context, subscription_id: str) -> Json:
    """Undo a scheduled cancellation."""
    return context.update(get_not_ended(context, subscription_id), dict(NOT_CANCELED), event=UPDATED)


def pause(context: Context, subscription_id: str) -> Json:
    """Pause a subscription. It has no invoices until it is resumed."""
    subscription = get_not_ended(context, subscription_id)
    if subscription["status"] not in {"active", "past_due"}:
        raise StripeError(f"A subscription with status {subscription['status']} cannot be paused.")
    paused = {
        "subscription": {"type": "pause_requested"},
        "transitioned_at": context.now,
        "type": "subscription",
    }
    changes = {"status": "paused", "status_details": {"paused": paused}}
    context.update(subscription, changes)
    context.emit("customer.subscription.paused", subscription)
    return subscription


def resume(context: Context, subscription_id: str) -> Json:
    """Resume a paused subscription with a new period, which is invoiced now."""
    subscription = get_not_ended(context, subscription_id)
    if subscription["status"] != "paused":
        raise StripeError("Only paused subscriptions can be resumed.")
    context.update(subscription, {"status": "active", "status_details": None})
    context.emit("customer.subscription.resumed", subscription)
    restart_period(context, subscription, subscription["items"]["data"], credited=[])
    return subscription


def restart_period(context: Context, subscription: Json, items: list[Json], credited: list[Json]) -> bool:
    """Start a new period now and invoice it with the credited lines. Returns whether the invoice was paid."""
    started = [
        item
        | {
            "current_period_start": context.now,
            "current_period_end": add_interval(context.now, **_interval(item["price"])),
        }
        for item in items
    ]
    changes: Json = {
        "billing_cycle_anchor": context.now,
        "items": subscription["items"] | {"data": started},
    }
    lines = credited + _period_lines(context, subscription | changes)
    return invoice_now(context, subscription, changes, lines)


def invoice_now(context: Context, subscription: Json, changes: Json, lines: list[Json]) -> bool:
    """Apply changes to a subscription and invoice `lines` now. Returns whether the invoice was paid."""
    invoice = _build_invoice(context, subscription | changes, lines, "subscription_update")
    context.update(subscription, changes | {"latest_invoice": invoice["id"]}, event=UPDATED)
    discounts.end_single_use(context, subscription)
    return collect(context, subscription, invoices.issue(context, invoice))


def add_pending_lines(context: Context, subscription_id: str, lines: list[Json]) -> None:
    """Add proration lines to the next invoice."""
    private = context.objects.get_private(subscription_id)
    context.objects.set_private(subscription_id, private | {"pending": [*private.get("pending", []), *lines]})


def get_not_ended(context: Context, subscription_id: str) -> Json:
    """Return a subscription that has not ended. Raises StripeError (404) for others, which cannot be changed."""
    subscription = context.objects.get(subscription_id, "subscription")
    if subscription["status"] in ENDED:
        raise StripeError(f"No such subscription: '{subscription_id}'", status=404, code="resource_missing", param="id")
    return subscription


def period_end(subscription: Json) -> int:
    """Return the end of the current period: the latest of its items."""
    return max(int(item["current_period_end"]) for item in subscription["items"]["data"])


def card_of(context: Context, subscription: Json) -> Json | None:
    """Return the card for its invoices: its own, or else the customer's."""
    if subscription["default_payment_method"]:
        return context.objects.find(subscription["default_payment_method"])
    return customers.card_of(context, context.objects.get(subscription["customer"], "customer"))


NOT_CANCELED: Json = {
    "cancel_at": None,
    "cancel_at_period_end": False,
    "canceled_at": None,
    "cancellation_details": {"comment": None, "feedback": None, "reason": None},
}


def _handle_failed_payment(context: Context, subscription: Json, invoice: Json) -> None:
    if invoice["next_payment_attempt"] is not None:
        if subscription["status"] == "active":
            context.update(subscription, {"status": "past_due"}, event=UPDATED)
        return
    outcome = context.controls.dunning()
    if outcome == "cancel":
        end(context, subscription, "payment_failed")
    elif outcome != subscription["status"]:
        context.update(subscription, {"status": outcome}, event=UPDATED)


def _next_period(item: Json, anchor: int) -> Json:
    start = item["current_period_end"]
    end_of_period = add_interval(start, **_interval(item["price"]), anchor=anchor)
    return item | {"current_period_start": start, "current_period_end": end_of_period}


def _build_invoice(context: Context, subscription: Json, lines: list[Json], reason: str) -> Json:
    """Build an invoice of these lines after the discount. It is not stored."""
    customer = context.objects.get(subscription["customer"], "customer")
    return billing.invoice(subscription, customer, discounts.apply(context, subscription, lines), reason, context.now)


def _period_lines(context: Context, subscription: Json) -> list[Json]:
    return [_period_line(context, item) for item in subscription["items"]["data"]]


def _period_line(context: Context, item: Json) -> Json:
    price = item["price"]
    product = context.objects.get(price["product"], "product")
    period = {"start": item["current_period_start"], "end": item["current_period_end"]}
    each = f"{format_money(price['unit_amount'], price['currency'])} / {price['recurring']['interval']}"
    text = f"{item['quantity']} \N{MULTIPLICATION SIGN} {product['name']} (at {each})"
    return billing.invoice_line(item, price["unit_amount"] * item["quantity"], period, text)


def _pop_pending_lines(context: Context, subscription_id: str) -> list[Json]:
    private = context.objects.get_private(subscription_id)
    lines: list[Json] = private.pop("pending", [])
    context.objects.set_private(subscription_id, private)
    return lines


def _interval(price: Json) -> Json:
    recurring = price["recurring"]
    return {"interval": recurring["interval"], "count": recurring["interval_count"]}
