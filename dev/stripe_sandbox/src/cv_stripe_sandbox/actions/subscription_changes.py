"""Changes somebody asks for: another plan or quantity, a scheduled cancellation, another card."""

from cv_stripe_sandbox.actions import catalog, discounts, subscriptions
from cv_stripe_sandbox.actions.customers import merged_metadata
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects import billing
from cv_stripe_sandbox.shapes import Json
from cv_stripe_sandbox.wording import day


def update(context: Context, subscription_id: str, params: Json) -> Json:
    """`subscriptions.update`: what is not about items first, then the items with their prorations."""
    subscription = subscriptions.living(context, subscription_id)
    changes = merged_metadata(subscription, params) | _cancellation(context, subscription, params)
    if "description" in params:
        changes["description"] = params["description"] or None
    if "default_payment_method" in params:
        method = context.objects.get(params["default_payment_method"], "payment_method", param="default_payment_method")
        changes["default_payment_method"] = method["id"]
    if "discounts" in params:
        changes["discounts"] = _discounts(context, subscription, params["discounts"] or [])
    if changes:
        context.update(subscription, changes, event=subscriptions.UPDATED)
    for wanted in params.get("items", []):
        item, price, quantity = _wanted(context, subscription, wanted)
        paid = switch(
            context, subscription, item, price, quantity, params.get("proration_behavior", "create_prorations")
        )
        if not paid and params.get("payment_behavior") == "error_if_incomplete":
            raise payment_failed()
    return subscription


def switch(context: Context, subscription: Json, item: Json, price: Json, quantity: int, prorations: str) -> bool:
    """Give an item another price or quantity; False when the invoice this causes could not be paid.

    A changed interval begins a new period now and is invoiced at once; otherwise `prorations` decides.
    """
    changed = billing.priced(item, price) | {"quantity": quantity}
    items = [changed if known["id"] == item["id"] else known for known in subscription["items"]["data"]]
    lines = [] if prorations == "none" else [_unused(context, subscription, item)]
    if _interval(item["price"]) != _interval(price):
        return subscriptions.restart_period(context, subscription, items, credited=lines)
    changes: Json = {"items": subscription["items"] | {"data": items}}
    if prorations == "none":
        context.update(subscription, changes, event=subscriptions.UPDATED)
        return True
    lines.append(_remaining(context, subscription, changed))
    if prorations == "always_invoice":
        return subscriptions.invoice_now(context, subscription, changes, lines)
    context.update(subscription, changes, event=subscriptions.UPDATED)
    subscriptions.remember_pending(context, subscription["id"], lines)
    return True


def payment_failed() -> StripeError:
    """The card was declined, and nothing has changed."""
    return StripeError("Your card was declined.", status=402, kind="card_error", code="card_declined")


def _cancellation(context: Context, subscription: Json, params: Json) -> Json:
    """The changes that schedule a cancellation, or take back the one that is set."""
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
        end = _end(context, subscription, params["cancel_at"])
        return scheduled | {"cancel_at": end, "cancel_at_period_end": False}
    # `cancel_at_period_end=false` takes back only what it has set: not the portal's `cancel_at`.
    if params.get("cancel_at") == "" or ("cancel_at_period_end" in params and subscription["cancel_at_period_end"]):
        return dict(subscriptions.NOT_CANCELLED)
    return {"cancellation_details": subscription["cancellation_details"] | details} if details else {}


def _end(context: Context, subscription: Json, wanted: int | str) -> int:
    if isinstance(wanted, str):
        return subscriptions.period_end(subscription)
    if wanted <= context.now:
        raise StripeError("`cancel_at` must be in the future.", param="cancel_at")
    return wanted


def _wanted(context: Context, subscription: Json, wanted: Json) -> tuple[Json, Json, int]:
    for name in wanted.keys() - {"id", "price", "price_data", "quantity"}:
        raise StripeError(f"The local stand-in does not model `items[][{name}]`.", param="items")
    item = next((item for item in subscription["items"]["data"] if item["id"] == wanted.get("id")), None)
    if item is None:
        raise StripeError(
            "The local stand-in changes existing items only: pass the `id` of a subscription item.", param="items"
        )
    price = item["price"]
    if "price" in wanted:
        price = context.objects.get(wanted["price"], "price", param="items[0][price]")
    elif "price_data" in wanted:
        price = catalog.create_price(context, wanted["price_data"], path="items[0][price_data]")
    if price["recurring"] is None:
        raise StripeError("The price specified is set to `type=one_time`.", param="items[0][price]")
    return item, price, wanted.get("quantity", item["quantity"])


def _discounts(context: Context, subscription: Json, wanted: list[Json]) -> list[str]:
    redeemed = discounts.named(context, wanted)
    if redeemed is None:
        return []
    applied_to = {"customer": subscription["customer"], "subscription": subscription["id"]}
    return [str(discounts.attach(context, redeemed, applied_to)["id"])]


def _unused(context: Context, subscription: Json, item: Json) -> Json:
    amount = -_share_left(context, item, _net_amount(context, subscription, item))
    return _proration(context, item, amount, "Unused time on")


def _remaining(context: Context, subscription: Json, item: Json) -> Json:
    amount = _share_left(context, item, _net_amount(context, subscription, item))
    return _proration(context, item, amount, "Remaining time on")


def _proration(context: Context, item: Json, amount: int, words: str) -> Json:
    product = context.objects.get(item["price"]["product"], "product")
    period = {"start": context.now, "end": item["current_period_end"]}
    text = f"{words} {product['name']} after {day(context.now)}"
    return billing.invoice_line(item, amount, period, text, proration=True)


def _net_amount(context: Context, subscription: Json, item: Json) -> int:
    """What a period of an item costs: prorations include the discount."""
    return discounts.net(context, subscription, item["price"]["unit_amount"] * item["quantity"])


def _share_left(context: Context, item: Json, amount: int) -> int:
    start, end = int(item["current_period_start"]), int(item["current_period_end"])
    return round(amount * max(0, end - context.now) / (end - start))


def _interval(price: Json) -> tuple[str, int]:
    recurring = price["recurring"]
    return recurring["interval"], recurring["interval_count"]
