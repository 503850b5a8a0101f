"""Subscriptions, invoices and InvoicePayments."""

from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.shapes import Json, list_object

_NO_TAX = {"disabled_reason": None, "enabled": False, "liability": None}


def subscription(customer: Json, metadata: Json, method: str | None, now: int) -> Json:
    """Return an active subscription in flexible billing mode, without items."""
    subscription_id = new_id("sub_1")
    return {
        "id": subscription_id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": dict(_NO_TAX),
        "billing_cycle_anchor": now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": "eur",
        "customer": customer["id"],
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": method,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "items": list_object(f"/v1/subscription_items?subscription={subscription_id}", []),
        "latest_invoice": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": metadata,
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": "active",
        "status_details": None,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
    }


def subscription_item(subscription_id: str, price: Json, quantity: int, start: int, end: int) -> Json:
    """Return one item; since `basil` it has the billing period, and the subscription has none."""
    return {
        "id": new_id("si_"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": start,
        "current_period_end": end,
        "current_period_start": start,
        "discounts": [],
        "metadata": {},
        "plan": _plan(price),
        "price": price,
        "quantity": quantity,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def priced(item: Json, price: Json) -> Json:
    """Return the changes of an item for another price."""
    return {**item, "price": price, "plan": _plan(price)}


def invoice(subscribed: Json, customer: Json, lines: list[Json], reason: str, now: int) -> Json:
    """Return a finalized, unpaid invoice of a subscription; a credit on the customer's balance is used up first.

    Its lines have their full amounts: what `discount_amounts` take off them is subtracted from the total only.
    """
    invoice_id = new_id("in_1")
    subtotal = sum(line["amount"] for line in lines)
    taken_off: dict[str, int] = {}
    for line in lines:
        for each in line["discount_amounts"]:
            taken_off[each["discount"]] = taken_off.get(each["discount"], 0) + each["amount"]
    total = subtotal - sum(taken_off.values())
    balance = customer["balance"]
    due = max(0, total + balance)
    return {
        "id": invoice_id,
        "object": "invoice",
        "account_country": "FR",
        "account_name": "Sandbox",
        "account_tax_ids": None,
        "amount_due": due,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": due,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {**_NO_TAX, "provider": None, "status": None},
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": now,
        "currency": subscribed["currency"],
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": None,
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": None,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": list(taken_off),
        "due_date": None,
        "effective_at": now,
        "ending_balance": balance + total - due,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": list_object(f"/v1/invoices/{invoice_id}/lines", [{**line, "invoice": invoice_id} for line in lines]),
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": now,
        "number": f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}",
        "on_behalf_of": None,
        "parent": {
            "quote_details": None,
            "subscription_details": {
                "metadata": dict(subscribed["metadata"]),
                "subscription": subscribed["id"],
            },
            "type": "subscription_details",
        },
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": now,
        "period_start": now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": balance,
        "statement_descriptor": None,
        "status": "open",
        "status_details": None,
        "status_transitions": {
            "finalized_at": now,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "test_clock": None,
        "total": total,
        "total_discount_amounts": _discount_amounts(taken_off),
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [{**each, "type": "discount"} for each in _discount_amounts(taken_off)],
        "total_taxes": [],
        "webhooks_delivered_at": None,
    }


def invoice_line(item: Json, amount: int, period: Json, description: str, *, proration: bool = False) -> Json:
    """Return one line for one subscription item; a proration may be negative (a credit for unused time)."""
    price = item["price"]
    return {
        "id": new_id("il_1"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": description,
        "discount_amounts": [],
        "discountable": not proration,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": proration,
                "proration_details": {"credited_items": None},
                "subscription": item["subscription"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": period,
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item["quantity"],
        "quantity_decimal": str(item["quantity"]),
        "subscription": item["subscription"],
        "subtotal": amount,
        "taxes": [],
    }


def discounted(line: Json, discount: str, amount: int) -> Json:
    """Return the line after a discount of `amount`."""
    taken_off = _discount_amounts({discount: amount})
    pretax = [{**each, "type": "discount"} for each in taken_off]
    return line | {"discount_amounts": taken_off, "pretax_credit_amounts": pretax}


def _discount_amounts(amounts: dict[str, int]) -> list[Json]:
    return [{"amount": amount, "discount": discount} for discount, amount in amounts.items()]


def invoice_payment(billed: Json, intent: str, now: int) -> Json:
    """Return an open InvoicePayment, which links an invoice to its PaymentIntent."""
    return {
        "id": new_id("inpay_1"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": billed["amount_due"],
        "created": now,
        "currency": billed["currency"],
        "invoice": billed["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent, "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def _plan(price: Json) -> Json:
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": {},
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }
