"""Coupons, promotion codes and discounts."""

from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.shapes import Json


def coupon(params: Json, now: int) -> Json:
    """Return a coupon from its creation parameters."""
    return {
        "id": params.get("id") or new_id(""),
        "object": "coupon",
        "amount_off": params.get("amount_off"),
        "created": now,
        "currency": params.get("currency"),
        "duration": params.get("duration", "once"),
        "duration_in_months": params.get("duration_in_months"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": params.get("metadata") or {},
        "name": params.get("name"),
        "percent_off": float(params["percent_off"]) if "percent_off" in params else None,
        "redeem_by": None,
        "times_redeemed": 0,
        "valid": True,
    }


def promotion_code(params: Json, now: int) -> Json:
    """Return a promotion code: a code that a buyer can enter to redeem a coupon."""
    return {
        "id": new_id("promo_1"),
        "object": "promotion_code",
        "active": params.get("active", True),
        "code": params.get("code") or new_id("").upper(),
        "created": now,
        "customer": None,
        "customer_account": None,
        "expires_at": None,
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": params.get("metadata") or {},
        "promotion": {"coupon": params["promotion"]["coupon"], "type": "coupon"},
        "restrictions": {
            "first_time_transaction": False,
            "minimum_amount": None,
            "minimum_amount_currency": None,
        },
        "times_redeemed": 0,
    }


def discount(coupon_id: str, promotion_code_id: str | None, now: int, end: int | None) -> Json:
    """Return a discount without a target: the caller sets `customer` and `subscription` or `checkout_session`."""
    return {
        "id": new_id("di_1"),
        "object": "discount",
        "checkout_session": None,
        "customer": None,
        "customer_account": None,
        "end": end,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": promotion_code_id,
        "source": {"coupon": coupon_id, "type": "coupon"},
        "start": now,
        "subscription": None,
        "subscription_item": None,
    }
