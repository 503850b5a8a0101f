"""Products and prices."""

from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.shapes import Json


def product(params: Json, now: int) -> Json:
    """Return a product from its creation parameters, or a session's `product_data`."""
    return {
        "id": params.get("id") or new_id("prod_"),
        "object": "product",
        "active": params.get("active", True),
        "created": now,
        "default_price": None,
        "description": params.get("description"),
        "images": params.get("images", []),
        "livemode": False,
        "marketing_features": params.get("marketing_features", []),
        "metadata": params.get("metadata") or {},
        "name": params["name"],
        "package_dimensions": None,
        "shippable": params.get("shippable"),
        "statement_descriptor": params.get("statement_descriptor"),
        "tax_code": params.get("tax_code"),
        "type": params.get("type", "service"),
        "unit_label": params.get("unit_label"),
        "updated": now,
        "url": params.get("url"),
    }


def price(params: Json, product_id: str, now: int) -> Json:
    """Return a per-unit price from its creation parameters, or a line item's `price_data`."""
    requested = params.get("recurring")
    recurring = requested and {
        "interval": requested["interval"],
        "interval_count": requested.get("interval_count", 1),
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }
    amount = params.get("unit_amount")
    return {
        "id": new_id("price_1"),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": "per_unit",
        "created": now,
        "currency": params["currency"],
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": params.get("lookup_key"),
        "metadata": params.get("metadata") or {},
        "nickname": params.get("nickname"),
        "product": product_id,
        "recurring": recurring,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": None if amount is None else str(amount),
    }
