"""Whether Stripe's objects are what was asked for. What does not fit is set aside before anything follows from it.

Discounts and credits are the operator's decision, made at Stripe: amounts are compared before they are subtracted.
"""

from collections.abc import Mapping

from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.offers import CURRENCY, OFFERS, SubscriptionType
from cv_payments.domain.stripe_objects import StripeInvoice, StripeSession, StripeSubscription
from cv_payments.domain.subscriptions import Subscription

Plans = Mapping[str, SubscriptionType]
"""What a subscription is, by the price that it is billed at."""
Prices = Mapping[str, int | None]
"""The prices that a subscription may be billed at, and their amounts in cents; None for one we do not sell any more."""


def plans_of(on_sale: Plans, known: Subscription | None, checkout: Checkout | None) -> Plans:
    """The plans that a subscription may have: those on sale, the one it has had all along, its checkout's."""
    had = {known.price_id: known.subscription_type} if known is not None else {}
    begun = {}
    if checkout is not None and checkout.payment_type != "single":
        begun[checkout.price_id] = checkout.payment_type
    return {**had, **begun, **on_sale}


def prices_of(plans: Plans, on_sale: Plans, checkout: Checkout | None) -> Prices:
    """What those plans cost, as far as that is known: Stripe changes no price's amount."""
    begun = {checkout.price_id: checkout.amount} if checkout is not None else {}
    today = {price_id: OFFERS[plan].amount for price_id, plan in on_sale.items()}
    return {price_id: today.get(price_id, begun.get(price_id)) for price_id in plans}


def session_misfit(checkout: Checkout, session: StripeSession, livemode: bool) -> str | None:
    """What about a session is not as our attempt has it, in words for an operator; None when all is."""
    return _differing(
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


def subscription_misfit(subscription: StripeSubscription, prices: Prices, livemode: bool) -> str | None:
    """What about a subscription, or its latest invoice, is not as we sell it; None when all is.

    One that has ended gives nothing, so it may be as it likes.
    """
    if subscription.has_ended:
        return None
    wrong = _differing(
        {
            "livemode": (livemode, subscription.livemode),
            "currency": (CURRENCY, subscription.currency),
            "items": (1, subscription.item_count),
            "quantity": (1, subscription.quantity),
        }
    )
    if wrong is None and subscription.price_id not in prices:
        wrong = f"price: {subscription.price_id!r} is none of ours"
    latest = subscription.latest_invoice
    return wrong or (invoice_misfit(latest, prices, livemode) if latest is not None else None)


def invoice_misfit(invoice: StripeInvoice, prices: Prices, livemode: bool) -> str | None:
    """What about an invoice is not as we sell; None when all is. Part of a period costs what Stripe makes of it."""
    wrong = _differing({"livemode": (livemode, invoice.livemode), "currency": (CURRENCY, invoice.currency)})
    if wrong is not None:
        return wrong
    for line in invoice.lines:
        if line.amount > 0 and line.price_id not in prices:
            return f"price: {line.price_id!r} is none of ours"
        asked = prices.get(line.price_id) if line.price_id is not None else None
        if line.amount > 0 and not line.is_proration and asked is not None and line.amount != asked:
            return f"amount: {line.amount!r} instead of {asked!r}"
    return None


def _differing(said: Mapping[str, tuple[object, object]]) -> str | None:
    """Name -> ours and theirs, as far as they differ."""
    differing = [f"{name}: {theirs!r} instead of {ours!r}" for name, (ours, theirs) in said.items() if ours != theirs]
    return "; ".join(differing) or None
