"""Create, change and expire checkout sessions."""

from urllib.parse import urlsplit

from cv_stripe_sandbox.actions import catalog, discounts
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import ParameterError, StripeError
from cv_stripe_sandbox.objects import checkout
from cv_stripe_sandbox.params.check import missing_param
from cv_stripe_sandbox.shapes import Json

_MIN_LIFETIME, _MAX_LIFETIME = 30 * 60, 24 * 3600
_MAX_REFERENCE = 200
_MIN_TOTAL = 50
_MAX_LINES = 100

_DATA = frozenset({"description", "metadata"})
_LINE = frozenset({"price", "price_data", "quantity"})
_PRICE_DATA = frozenset({"currency", "product", "product_data", "recurring", "tax_behavior", "unit_amount"})


def create(context: Context, params: Json) -> Json:
    """Create an open hosted session for a payment or a subscription."""
    _check_mode(params)
    _check_buyer(context, params)
    _check_addresses(params)
    _check_bounds(context, params)
    items = [_line(context, line, params["mode"], index) for index, line in enumerate(_lines(params))]
    _check_items(items, params["mode"])
    redeemed = _redeemed(context, params)
    reducing = redeemed or _customer_discount(context, params)
    if reducing is not None:
        items = _discounted(context, items, reducing)
    session = checkout.session(params, items, "", context.now) | {"discounts": [redeemed] if redeemed else []}
    session["url"] = f"{context.settings.public_url}/c/pay/{session['id']}"
    later = {
        "line_items": items,
        "payment_intent_data": params.get("payment_intent_data", {}),
        "subscription_data": params.get("subscription_data", {}),
    }
    return context.create(session, private=later)


def apply_promotion_code(context: Context, session_id: str, code: str) -> Json:
    """Apply a promotion code that the buyer has entered on the page. The total may become 0."""
    session = context.objects.get(session_id, "checkout.session")
    if not session["allow_promotion_codes"]:
        raise StripeError("This session takes no promotion codes.")
    redeemed = discounts.find_by_code(context, code)
    private = context.objects.get_private(session_id)
    items = _discounted(context, private["line_items"], redeemed)
    context.objects.set_private(session_id, private | {"line_items": items})
    return context.update(session, {"discounts": [redeemed], **checkout.totals(items)})


def expire(context: Context, session_id: str) -> Json:
    """Expire an open session, which can then no longer be paid."""
    session = context.objects.get(session_id, "checkout.session")
    if session["status"] != "open":
        raise StripeError(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a '
            f"status of `{session['status']}`."
        )
    return context.update(session, {"status": "expired", "url": None}, event="checkout.session.expired")


def expire_due(context: Context) -> None:
    """Expire all open sessions that are past their `expires_at`."""
    for session in context.objects.list_due("checkout.session", "expires_at", ["open"], context.now):
        expire(context, session["id"])


def line_items(context: Context, session_id: str) -> list[Json]:
    """Return the line items of a session."""
    lines: list[Json] = context.objects.get_private(session_id)["line_items"]
    return lines


def _redeemed(context: Context, params: Json) -> Json | None:
    if "discounts" in params and "allow_promotion_codes" in params:
        raise StripeError("You may only specify one of these parameters: allow_promotion_codes, discounts.")
    return discounts.find_redeemed(context, params.get("discounts", []))


def _customer_discount(context: Context, params: Json) -> Json | None:
    """Return the coupon of the customer's discount, which does not apply to one-time payments."""
    if params["mode"] != "subscription" or "customer" not in params:
        return None
    discount = context.objects.get(params["customer"], "customer")["discount"]
    return discount and {"coupon": discount["source"]["coupon"]}


def _discounted(context: Context, items: list[Json], redeemed: Json) -> list[Json]:
    amounts = discounts.discount_amounts(context, redeemed["coupon"], [item["amount_subtotal"] for item in items])
    reduced = checkout.discounted(items, amounts)
    _check_total(reduced)
    return reduced


def _check_mode(params: Json) -> None:
    mode = params.get("mode")
    if mode is None:
        raise missing_param("mode")
    if mode == "setup":
        raise StripeError("This sandbox does not support `setup` mode.", param="mode")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise StripeError("This sandbox supports only `hosted_page` sessions.", param="ui_mode")
    for name, only in (("payment_intent_data", "payment"), ("subscription_data", "subscription")):
        _reject_unsupported(params.get(name, {}), name, _DATA)
        if name in params and mode != only:
            raise StripeError(f"You can not pass `{name}` in `{mode}` mode.", param=name)
    if "customer_creation" in params and mode != "payment":
        raise StripeError(
            "`customer_creation` can only be used in `payment` and `setup` mode.", param="customer_creation"
        )


def _reject_unsupported(params: Json, path: str, known: frozenset[str]) -> None:
    for name in params.keys() - known:
        raise ParameterError(
            f"The local sandbox does not support the parameter `{path}[{name}]`.",
            code="parameter_not_modelled",
            param=f"{path}[{name}]",
        )


def _check_buyer(context: Context, params: Json) -> None:
    for other in ("customer_email", "customer_creation"):
        if "customer" in params and other in params:
            raise StripeError(f"You may only specify one of these parameters: customer, {other}.")
    if "customer_update" in params and "customer" not in params:
        raise StripeError("`customer_update` can only be used with `customer`.", param="customer_update")
    if "customer" in params:
        context.objects.get(params["customer"], "customer", param="customer")
    email = params.get("customer_email", "a@b")
    if "@" not in email.strip("@"):
        raise StripeError(f"Invalid email address: {email}", code="email_invalid", param="customer_email")


def _check_addresses(params: Json) -> None:
    if "success_url" not in params:
        raise missing_param("success_url")
    for name in ("success_url", "cancel_url"):
        url = params.get(name, "https://example.com")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isascii():
            raise StripeError("Not a valid URL", code="url_invalid", param=name)


def _check_bounds(context: Context, params: Json) -> None:
    lifetime = params.get("expires_at", context.now + _MIN_LIFETIME) - context.now
    if lifetime < _MIN_LIFETIME:
        raise StripeError(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
            param="expires_at",
        )
    if lifetime > _MAX_LIFETIME:
        raise StripeError(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    if len(params.get("client_reference_id", "")) > _MAX_REFERENCE:
        raise StripeError(f"Invalid string: must be at most {_MAX_REFERENCE} characters", param="client_reference_id")


def _lines(params: Json) -> list[Json]:
    lines: list[Json] = params.get("line_items") or []
    if not lines:
        raise missing_param("line_items")
    if len(lines) > _MAX_LINES:
        raise StripeError(f"Up to {_MAX_LINES} line items are allowed.", param="line_items")
    return lines


def _line(context: Context, line: Json, mode: str, index: int) -> Json:
    path = f"line_items[{index}]"
    _reject_unsupported(line, path, _LINE)
    _reject_unsupported(line.get("price_data", {}), f"{path}[price_data]", _PRICE_DATA)
    if ("price" in line) == ("price_data" in line):
        message = "You must specify exactly one of these parameters: price, price_data."
        raise StripeError(message, param=path)
    if "price" in line:
        price = context.objects.get(line["price"], "price", param=f"{path}[price]")
        if not price["active"]:
            raise StripeError(
                "The price specified is inactive. This field only accepts active prices.",
                param=f"{path}[price]",
            )
    else:
        price = catalog.create_price(context, line["price_data"], path=f"{path}[price_data]")
    if mode == "payment" and price["recurring"]:
        raise StripeError(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode "
            "or use only one-time prices.",
            param=path,
        )
    quantity = line.get("quantity")
    if quantity is None:
        raise missing_param(f"{path}[quantity]")
    if quantity < 1:
        raise StripeError("Invalid positive integer", param=f"{path}[quantity]")
    product = context.objects.get(price["product"], "product")
    return checkout.line_item(price, quantity, product["name"])


def _check_items(items: list[Json], mode: str) -> None:
    if mode == "subscription" and not any(item["price"]["recurring"] for item in items):
        raise StripeError(
            "You must provide at least one recurring price in `subscription` mode when using prices.",
            param="line_items",
        )
    if len({item["currency"] for item in items}) > 1:
        raise StripeError("All line items must have the same currency.", param="line_items")
    _check_total(items)


def _check_total(items: list[Json]) -> None:
    total = sum(item["amount_total"] for item in items)
    if 0 < total < _MIN_TOTAL:
        raise StripeError(
            "The Checkout Session's total amount due must add up to at least 50 cents.",
            code="amount_too_small",
            param="line_items",
        )
