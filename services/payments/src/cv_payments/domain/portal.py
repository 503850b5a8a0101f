"""Where in the billing portal a subscriber is sent."""

from typing import Any

from cv_payments.domain.checkouts import Wish
from cv_payments.domain.subscriptions import Subscription


def flow(subscription: Subscription, wish: Wish) -> dict[str, Any] | None:
    """The step of the portal that leads from a live subscription to what is wished for; None: its home page.

    Who has not paid mends the card first. Who has that plan already, or has cancelled, finds everything at home.
    """
    if subscription.status == "past_due":
        return {"type": "payment_method_update", "after_completion": _back(wish)}
    is_settled = subscription.status in {"active", "trialing"} and subscription.cancel_at is None
    if not is_settled or subscription.price_id == wish.price_id:
        return None
    item = {"id": subscription.item_id, "price": wish.price_id, "quantity": 1}
    return {
        "type": "subscription_update_confirm",
        "subscription_update_confirm": {"subscription": subscription.id, "items": [item]},
        "after_completion": _back(wish),
    }


def _back(wish: Wish) -> dict[str, Any]:
    return {"type": "redirect", "redirect": {"return_url": wish.success_url}}
