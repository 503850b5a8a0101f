"""Which page of Stripe's billing portal a subscriber is sent to."""

from collections.abc import Mapping

from cv_payments.domain.checkouts import CheckoutRequest
from cv_payments.domain.subscriptions import Subscription

PortalFlow = Mapping[str, object]
"""Stripe's `flow_data`: the page at which a portal session starts."""


def portal_flow(subscription: Subscription, request: CheckoutRequest) -> PortalFlow | None:
    """Return the portal's page for a subscriber who asks for a subscription; None for its home page.

    A subscriber with an unpaid invoice updates the card first. A subscriber who has the plan already, or has canceled,
    goes to the home page.
    """
    if subscription.status == "past_due":
        return {"type": "payment_method_update", "after_completion": _redirect(request)}
    can_change = subscription.status in {"active", "trialing"} and subscription.cancel_at is None
    if not can_change or subscription.price_id == request.price_id:
        return None
    item = {"id": subscription.item_id, "price": request.price_id, "quantity": 1}
    return {
        "type": "subscription_update_confirm",
        "subscription_update_confirm": {"subscription": subscription.id, "items": [item]},
        "after_completion": _redirect(request),
    }


def _redirect(request: CheckoutRequest) -> Mapping[str, object]:
    return {"type": "redirect", "redirect": {"return_url": request.success_url}}
