"""Customers and their cards."""

from cv_stripe_sandbox.cards import Card
from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.shapes import Json

NO_ADDRESS: Json = {
    "city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None
}  # fmt: skip


def customer(params: Json, now: int) -> Json:
    """Return a customer from its creation parameters."""
    return {
        "id": new_id("cus_"),
        "object": "customer",
        "address": params.get("address"),
        "balance": params.get("balance", 0),
        "created": now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": params.get("description"),
        "discount": None,
        "email": params.get("email"),
        "invoice_prefix": new_id("prod_")[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": params.get("metadata") or {},
        "name": params.get("name"),
        "next_invoice_sequence": 1,
        "phone": params.get("phone"),
        "preferred_locales": params.get("preferred_locales", []),
        "shipping": params.get("shipping"),
        "tax_exempt": params.get("tax_exempt", "none"),
        "test_clock": None,
    }


def payment_method(card: Card, customer_id: str | None, email: str | None, now: int) -> Json:
    """Return a payment method of a card, optionally attached to a customer."""
    return {
        "id": new_id("pm_1"),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": billing_details(email),
        "card": {
            "brand": "visa",
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": "FR",
            "display_brand": "visa",
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": card.fingerprint,
            "funding": "credit",
            "generated_from": None,
            "last4": card.last4,
            "networks": {"available": ["visa"], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": now,
        "customer": customer_id,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def billing_details(email: str | None) -> Json:
    """Return the billing details of a buyer who has entered only an email address."""
    return {"address": dict(NO_ADDRESS), "email": email, "name": None, "phone": None, "tax_id": None}
