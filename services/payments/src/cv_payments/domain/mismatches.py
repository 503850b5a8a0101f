"""Comparison of Stripe's objects with the checkout and the offers. An object that differs is quarantined.

Discounts and credits are the operator's decision, made at Stripe, so amounts are compared before discounts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.offers import CURRENCY, OFFERS, SubscriptionType
from cv_payments.domain.stripe_objects import StripeInvoice, StripeSession, StripeSubscription
from cv_payments.domain.subscriptions import Subscription


@dataclass(frozen=True, slots=True)
class AllowedPrices:
    """The prices that a subscription may be billed at."""

    plans: Mapping[str, SubscriptionType]
    """Price id -> plan."""
    amounts: Mapping[str, int | None]
    """Price id -> amount in cents; None for a price that is no longer on sale."""


def allowed_prices(
    on_sale: Mapping[str, SubscriptionType], stored: Subscription | None, checkout: Checkout | None
) -> AllowedPrices:
    """Return the prices on sale, the stored subscription's own price, and its checkout's price.

    Stripe never changes the amount of a price.
    """
    plans: dict[str, SubscriptionType] = {}
    amounts: dict[str, int | None] = {}
    if stored is not None:
        plans[stored.price_id], amounts[stored.price_id] = stored.subscription_type, None
    if checkout is not None and checkout.payment_type != "single":
        plans[checkout.price_id], amounts[checkout.price_id] = checkout.payment_type, checkout.amount
    for price_id, plan in on_sale.items():
        plans[price_id], amounts[price_id] = plan, OFFERS[plan].amount
    return AllowedPrices(plans, amounts)


def session_mismatch(checkout: Checkout, session: StripeSession, livemode: bool) -> str | None:
    """Return how a session differs from its checkout, in words for an operator; None when it matches."""
    return _differences(
        {
            "checkout": (checkout.id, session.checkout_id),
            "session": (checkout.stripe_session_id or session.id, session.id),
            "mode": (OFFERS[checkout.payment_type].mode, session.mode),
            "livemode": (livemode, session.livemode),
            "amount": (checkout.amount, session.amount_subtotal),
            "currency": (checkout.currency, session.currency),
            "prices": ((checkout.price_id,), session.price_ids),
        }
    )


def subscription_mismatch(
    subscription: StripeSubscription, amounts: Mapping[str, int | None], livemode: bool
) -> str | None:
    """Return how a subscription, or its latest invoice, differs from the offers; None when it matches.

    A subscription that has ended grants nothing, so it always matches.
    """
    if subscription.has_ended:
        return None
    mismatch = _differences(
        {
            "livemode": (livemode, subscription.livemode),
            "currency": (CURRENCY, subscription.currency),
            "items": (1, subscription.item_count),
            "quantity": (1, subscription.quantity),
        }
    )
    if mismatch is None and subscription.price_id not in amounts:
        mismatch = f"price: {subscription.price_id!r} is not an allowed price"
    latest = subscription.latest_invoice
    return mismatch or (invoice_mismatch(latest, amounts, livemode) if latest is not None else None)


def invoice_mismatch(invoice: StripeInvoice, amounts: Mapping[str, int | None], livemode: bool) -> str | None:
    """Return how an invoice differs from the offers, or None. Stripe computes the amount of a proration."""
    mismatch = _differences({"livemode": (livemode, invoice.livemode), "currency": (CURRENCY, invoice.currency)})
    if mismatch is not None:
        return mismatch
    for line in invoice.lines:
        if line.amount > 0 and line.price_id not in amounts:
            return f"price: {line.price_id!r} is not an allowed price"
        expected = amounts.get(line.price_id) if line.price_id is not None else None
        if line.amount > 0 and not line.is_proration and expected is not None and line.amount != expected:
            return f"amount: {line.amount!r} instead of {expected!r}"
    return None


def _differences(fields: Mapping[str, tuple[object, object]]) -> str | None:
    """Return the fields that differ, or None. `fields` maps a name to the expected and the actual value."""
    differing = [
        f"{name}: {actual!r} instead of {expected!r}"
        for name, (expected, actual) in fields.items()
        if expected != actual
    ]
    return "; ".join(differing) or None
