"""The billing portal: Stripe's pages where a buyer changes plan or card, cancels, and finds invoices."""

from typing import Any

from cv_common.body import validate
from cv_common.errors import Detailed, NotFound, Unavailable, ValidationFailed
from cv_common.identity import Caller

from cv_payments.actions.context import Context
from cv_payments.clients.stripe_connection import StripeDown, StripeMissing, StripeRefused
from cv_payments.domain.checkouts import Wish
from cv_payments.domain.portal import flow
from cv_payments.domain.return_urls import is_allowed
from cv_payments.domain.subscriptions import Subscription
from cv_payments.schemas import PortalBody
from cv_payments.store import owners, subscriptions

NOT_ALLOWED = "This address is not one that buyers may return to."
"""What is wrong with a well-formed address to return to."""


async def open_portal(context: Context, caller: Caller, data: Any) -> str:
    """The address of the caller's billing portal.

    Raises ValidationFailed, NotFound (they have never bought anything, or Stripe has forgotten them) and Unavailable.
    """
    body = validate(data, PortalBody)
    if not is_allowed(body.return_url, context.settings.checkout_allowed_origins):
        raise ValidationFailed.on("return_url", NOT_ALLOWED)
    async with context.database.connection() as tx:
        owner = await owners.of_caller(tx, caller.user_id, caller.session_id)
        live = [each for each in await subscriptions.of_owner(tx, owner.id) if each.is_live] if owner else []
    customer_id = live[0].customer_id if live else owner.customer_id if owner else None
    if customer_id is None:
        raise NotFound
    return await _page(context, customer_id, body.return_url, None)


async def page_for_subscriber(context: Context, subscription: Subscription, wish: Wish) -> str:
    """Where somebody who has a live subscription gets the one they wish for. Raises Unavailable."""
    return await _page(context, subscription.customer_id, wish.cancel_url, flow(subscription, wish))


async def _page(context: Context, customer_id: str, return_url: str, step: dict[str, Any] | None) -> str:
    try:
        return await context.stripe.portal(context.catalogue.portal_id, customer_id, return_url, step)
    except StripeDown as down:
        raise Unavailable("The payment service is not available, try again later.") from down
    except StripeRefused as refused:
        if isinstance(refused, StripeMissing) and refused.is_customer:
            raise NotFound from refused
        raise Detailed from refused
