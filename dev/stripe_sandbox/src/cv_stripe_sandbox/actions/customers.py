"""Create and change customers and their cards."""

from cv_stripe_sandbox.cards import CARDS, GOOD, Card
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.objects import customers
from cv_stripe_sandbox.shapes import Json


def create(context: Context, params: Json) -> Json:
    """Create a customer."""
    return context.create(customers.customer(params, context.now), event="customer.created")


def update(context: Context, customer_id: str, params: Json) -> Json:
    """Change a customer. Metadata is merged; an empty value removes its key."""
    customer = context.objects.get(customer_id, "customer")
    shown = {name: value or None for name, value in params.items() if name in customer and name != "metadata"}
    if "invoice_settings" in shown:
        shown["invoice_settings"] = customer["invoice_settings"] | (params["invoice_settings"] or {})
    return context.update(customer, {**shown, **merge_metadata(customer, params)}, event="customer.updated")


def attach_card(context: Context, customer: Json, card: Card) -> Json:
    """Attach a new card to the customer as the default for future payments."""
    method = customers.payment_method(card, customer["id"], customer["email"], context.now)
    context.create(method, event="payment_method.attached")
    settings = customer["invoice_settings"] | {"default_payment_method": method["id"]}
    context.update(customer, {"invoice_settings": settings}, event="customer.updated")
    return method


def card_of(context: Context, customer: Json) -> Json | None:
    """Return the customer's default card."""
    method = customer["invoice_settings"]["default_payment_method"]
    return context.objects.find(method) if method else None


def card_by_number(last4: str | None) -> Card:
    """Return the test card with these last digits, or the card that always succeeds."""
    return CARDS.get(last4 or GOOD.last4, GOOD)


def merge_metadata(known: Json, params: Json) -> Json:
    """Return the changed `metadata`: keys are merged, an empty value removes its key, `""` removes all."""
    if "metadata" not in params:
        return {}
    merged = {**known["metadata"], **(params["metadata"] or {})} if params["metadata"] else {}
    return {"metadata": {key: value for key, value in merged.items() if value != ""}}
