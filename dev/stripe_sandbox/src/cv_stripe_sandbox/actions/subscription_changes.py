"""Changes of a subscription: plan, quantity, scheduled cancellation, card, discount."""

from cv_stripe_sandbox.actions import catalog, discounts, subscriptions
from cv_stripe_sandbox.actions.customers import merge_metadata
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.formatting import format_day
from cv_stripe_sandbox.objects import billing
from cv_stripe_sandbox.shapes import Json


def update(context: Context, subscription_id: str, params: Json) -> Json:
    """Perform `subscriptions.update`: changes the other parameters first, then the items with their prorations."""
    subscription = subscriptions.get_not_ended(context, subscription_id)
    changes = merge_metadata(subscription, params) | _cancellation(context, subscription, params)
    if "description" in params:
        changes["description"] = params["description"] or None
    if "default_payment_method" in params:
        method = context.objects.get(params["default_payment_method"], "payment_method", param="default_payment_method")
        changes["default_payment_method"] = method["id"]
    if "discounts" in params:
        changes["discounts"] = _discounts(context, subscription, params["discounts"] or [])
    if changes:
        context.update(subscription, changes, event=subscriptions.UPDATED)
    for requested in params.get("items", []):
        item, price, quantity = _read_item(context, subscription, requested)
        paid = switch(
            context, subscription, item, price, quantity, params.get("proration_behavior", "create_prorations")
        )
        if not paid and params.get("payment_behavior") == "error_if_incomplete":
            raise payment_failed()
    return subscription


def switch(context: Context, subscription: Json, item: Json, price: Json, quantity: int, prorations: str) -> bool:
    """Give an item another price or quantity. False if the resulting invoice could not be paid.

    A changed interval starts a new period now, with an invoice. Otherwise `prorations` decides.
    """
    changed = billing.priced(item, price) | {"quantity": quantity}
    items = [changed if known["id"] == item["id"] else known for known in subscription["items"]["data"]]
    lines = [] if prorations == "none" else [_unused_time_line(context, subscription, item)]
    if _interval(item["price"]) != _interval(price):
        return subscriptions.restart_period(context, subscription, items, credited=lines)
    changes: Json = {"items": subscription["items"] | {"data": items}}
    if prorations == "none":
        context.update(subscription, changes, event=subscriptions.UPDATED)
        return True
    lines.append(_remaining_time_line(context, subscription, changed))
    if prorations == "always_invoice":
        return subscriptions.invoice_now(context, subscription, changes, lines)
    context.update(subscription, changes, event=subscriptions.UPDATED)
    subscriptions.add_pending_lines(context, subscription["id"], lines)
    return True


def payment_failed() -> StripeError:
    """Return the error for a declined card when nothing was changed."""
    return StripeError("Your card was declined.", status=402, kind="card_error", code="card_declined")


def _cancellation(context: Context, subscription: Json, params: Json) -> Json:
    """Return the changes that schedule a cancellation, or undo a scheduled one."""
    if "cancel_at" in params and "cancel_at_period_end" in params:
        raise StripeError("You may only specify one of these parameters: cancel_at, cancel_at_period_end.")
    details = {name: value or None for name, value in params.get("cancellation_details", {}).items()}
    scheduled = {
        "canceled_at": context.now,
        "cancellation_details": subscription["cancellation_details"] | {"reason": "cancellation_requested"} | details,
    }
    if params.get("cancel_at_period_end"):
        end = subscriptions.period_end(subscription)
        return scheduled | {"cancel_at": end, "cancel_at_period_end": True}
    if params.get("cancel_at"):
        end = _cancel_time(context, subscription, params["cancel_at"])
        return scheduled | {"cancel_at": end, "cancel_at_period_end": False}
    # `cancel_at_period_end=false` undoes only `cancel_at_period_end=true`, not the `cancel_at` of the portal.
    if params.get("cancel_at") == "" or ("cancel_at_period_end" in params and subscription["cancel_at_period_end"]):
        return dict(subscriptions.NOT_CANCELED)
    return {"cancellation_details": subscription["cancellation_details"] | details} if details else {}


def _cancel_time(context: Context, subscription: Json, requested: int | str) -> int:
    if isinstance(requested, str):
        return subscriptions.period_end(subscription)
    if requested <= context.now:
        raise StripeError("`cancel_at` must be in the future.", param="cancel_at")
    return requested


def _read_item(context: Context, subscription: Json, requested: Json) -> tuple[Json, Json, int]:
    for name in requested.keys() - {"id", "price", "price_data", "quantity"}:
        raise StripeError(f"The local sandbox does not support `items[][{name}]`.", param="items")
    item = next((item for item in subscription["items"]["data"] if item["id"] == requested.get("id")), None)
    if item is None:
        raise StripeError(
            "The local sandbox only changes existing items: pass the `id` of a subscription item.", param="items"
        )
    price = item["price"]
    if "price" in requested:
        price = context.objects.get(requested["price"], "price", param="items[0][price]")
    elif "price_data" in requested:
        price = catalog.create_price(context, requested["price_data"], path="items[0][price_data]")
    if price["recurring"] is None:
        raise StripeError("The price specified is set to `type=one_time`.", param="items[0][price]")
    return item, price, requested.get("quantity", item["quantity"])


def _discounts(context: Context, subscription: Json, requested: list[Json]) -> list[str]:
    redeemed = discounts.find_redeemed(context, requested)
    if redeemed is None:
        return []
    applied_to = {"customer": subscription["customer"], "subscription": subscription["id"]}
    return [str(discounts.attach(context, redeemed, applied_to)["id"])]


def _unused_time_line(context: Context, subscription: Json, item: Json) -> Json:
    amount = -_prorate(context, item, _net_amount(context, subscription, item))
    return _proration(context, item, amount, "Unused time on")


def _remaining_time_line(context: Context, subscription: Json, item: Json) -> Json:
    amount = _prorate(context, item, _net_amount(context, subscription, item))
    return _proration(context, item, amount, "Remaining time on")


def _proration(context: Context, item: Json, amount: int, words: str) -> Json:
    product = context.objects.get(item["price"]["product"], "product")
    period = {"start": context.now, "end": item["current_period_end"]}
    text = f"{words} {product['name']} after {format_day(context.now)}"
    return billing.invoice_line(item, amount, period, text, proration=True)


def _net_amount(context: Context, subscription: Json, item: Json) -> int:
    """Return the price of a full period of an item, after the discount."""
    return discounts.discounted_amount(context, subscription, item["price"]["unit_amount"] * item["quantity"])


def _prorate(context: Context, item: Json, amount: int) -> int:
    start, end = int(item["current_period_start"]), int(item["current_period_end"])
    return round(amount * max(0, end - context.now) / (end - start))


def _interval(price: Json) -> tuple[str, int]:
    recurring = price["recurring"]
    return recurring["interval"], recurring["interval_count"]
