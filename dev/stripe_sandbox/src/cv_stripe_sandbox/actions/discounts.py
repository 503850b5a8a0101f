"""Coupons, promotion codes and the discounts on sessions and invoices.

One discount applies at a time: that of the subscription, or else that of its customer.
"""

from decimal import ROUND_HALF_UP, Decimal

from cv_stripe_sandbox.clock import add_interval
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects import billing, discounts
from cv_stripe_sandbox.params.check import missing_param
from cv_stripe_sandbox.shapes import Json


def create_coupon(context: Context, params: Json) -> Json:
    """Create a coupon: a percentage or an amount off, once, for some months or forever."""
    if ("percent_off" in params) == ("amount_off" in params):
        raise StripeError("You must pass exactly one of percent_off and amount_off.", param="percent_off")
    if "percent_off" in params and not 0 < Decimal(params["percent_off"]) <= 100:
        raise StripeError("percent_off must be greater than 0 and at most 100.", param="percent_off")
    if "amount_off" in params and params["amount_off"] < 1:
        raise StripeError("Invalid positive integer", param="amount_off")
    if "amount_off" in params and "currency" not in params:
        raise missing_param("currency")
    if (params.get("duration") == "repeating") != ("duration_in_months" in params):
        raise StripeError("duration_in_months belongs to the duration repeating.", param="duration_in_months")
    if params.get("id") and context.objects.find(params["id"]):
        raise StripeError("Coupon already exists.", code="resource_already_exists", param="id")
    return context.create(discounts.coupon(params, context.now), event="coupon.created")


def create_promotion_code(context: Context, params: Json) -> Json:
    """Create a promotion code for a coupon. Active codes are unique, regardless of case."""
    coupon = params["promotion"].get("coupon")
    if coupon is None:
        raise missing_param("promotion[coupon]")
    context.objects.get(coupon, "coupon", param="promotion[coupon]")
    if "code" in params and _active_code(context, params["code"]) is not None:
        raise StripeError("An active promotion code with this code already exists.", param="code")
    return context.create(discounts.promotion_code(params, context.now), event="promotion_code.created")


def find_redeemed(context: Context, params: list[Json]) -> Json | None:
    """Return the `{coupon, promotion_code}` in the parameter `discounts`; None for an empty list."""
    if not params:
        return None
    if len(params) > 1:
        raise StripeError("The local sandbox supports one discount at a time.", param="discounts")
    if ("coupon" in params[0]) == ("promotion_code" in params[0]):
        message = "You must pass exactly one of these parameters: coupon, promotion_code."
        raise StripeError(message, param="discounts[0]")
    if "promotion_code" in params[0]:
        code = context.objects.get(params[0]["promotion_code"], "promotion_code", param="discounts[0][promotion_code]")
        return _redeemed(code)
    coupon = context.objects.get(params[0]["coupon"], "coupon", param="discounts[0][coupon]")
    return {"coupon": coupon["id"], "promotion_code": None}


def find_by_code(context: Context, code: str) -> Json:
    """Return the `{coupon, promotion_code}` of a code that a buyer has entered."""
    found = _active_code(context, code)
    if found is None:
        raise StripeError("This code is invalid.")
    return _redeemed(found)


def discount_amounts(context: Context, coupon_id: str, amounts: list[int]) -> list[int]:
    """Return the discount of a coupon on each of these amounts, which belong to one session or invoice."""
    coupon = context.objects.get(coupon_id, "coupon")
    if coupon["percent_off"] is not None:
        share = Decimal(str(coupon["percent_off"])) / 100
        return [int((amount * share).quantize(Decimal(1), ROUND_HALF_UP)) for amount in amounts]
    left = coupon["amount_off"]
    shares = []
    for amount in amounts:
        shares.append(min(amount, left))
        left -= shares[-1]
    return shares


def attach(context: Context, redeemed: Json, changes: Json) -> Json:
    """Create a discount, with `changes` that name what it applies to, and count the redemption."""
    for name, kind in (("coupon", "coupon"), ("promotion_code", "promotion_code")):
        if redeemed[name] is not None:
            known = context.objects.get(redeemed[name], kind)
            context.update(known, {"times_redeemed": known["times_redeemed"] + 1})
    coupon = context.objects.get(redeemed["coupon"], "coupon")
    months = coupon["duration_in_months"]
    end = add_interval(context.now, "month", months) if months is not None else None
    attached = discounts.discount(redeemed["coupon"], redeemed["promotion_code"], context.now, end) | changes
    return context.create(attached, event="customer.discount.created")


def attach_to_customer(context: Context, customer_id: str, coupon_id: str) -> Json:
    """Give a customer a discount, as on Stripe's dashboard."""
    customer = context.objects.get(customer_id, "customer")
    context.objects.get(coupon_id, "coupon", param="coupon")
    attached = attach(context, {"coupon": coupon_id, "promotion_code": None}, {"customer": customer_id})
    return context.update(customer, {"discount": attached}, event="customer.updated")


def apply(context: Context, subscription: Json, lines: list[Json]) -> list[Json]:
    """Apply a subscription's discount to the discountable lines of its next invoice."""
    discount = _active_discount(context, subscription)
    if discount is None:
        return lines
    full = [line for line in lines if line["discountable"]]
    amounts = discount_amounts(context, discount["source"]["coupon"], [line["amount"] for line in full])
    reduced = {
        line["id"]: billing.discounted(line, discount["id"], amount) for line, amount in zip(full, amounts, strict=True)
    }
    return [reduced.get(line["id"], line) for line in lines]


def discounted_amount(context: Context, subscription: Json, amount: int) -> int:
    """Return the amount of a proration after the discount."""
    discount = _active_discount(context, subscription)
    return amount if discount is None else amount - discount_amounts(context, discount["source"]["coupon"], [amount])[0]


def end_single_use(context: Context, subscription: Json) -> None:
    """End a discount whose duration is `once`, after an invoice."""
    discount = _active_discount(context, subscription)
    if discount is None or context.objects.get(discount["source"]["coupon"], "coupon")["duration"] != "once":
        return
    if discount["id"] in subscription["discounts"]:
        context.update(subscription, {"discounts": []})
    else:
        context.update(context.objects.get(subscription["customer"], "customer"), {"discount": None})
    context.emit("customer.discount.deleted", discount)


def _active_discount(context: Context, subscription: Json) -> Json | None:
    """Return the discount that applies to a subscription now."""
    found = [context.objects.get(each, "discount") for each in subscription["discounts"]]
    customer = context.objects.find(subscription["customer"], "customer")
    if not found and customer is not None and customer["discount"] is not None:
        found = [context.objects.get(customer["discount"]["id"], "discount")]
    return next((each for each in found if each["end"] is None or context.now < each["end"]), None)


def _active_code(context: Context, code: str) -> Json | None:
    active = context.objects.select("promotion_code", {"active": True})
    return next((each for each in active if each["code"].lower() == code.lower()), None)


def _redeemed(code: Json) -> Json:
    return {"coupon": code["promotion"]["coupon"], "promotion_code": code["id"]}
