"""The billing portal: Stripe's pages where a buyer changes plan or card, cancels, and finds invoices."""

import logging
from typing import Any

from cv_common.drf.body import validate
from cv_common.kernel.errors import DetailError, NotFound, ServiceUnavailable, ValidationFailed
from cv_common.kernel.identity import Caller

from cv_payments.actions.context import Context
from cv_payments.actions.refresh import look_at
from cv_payments.clients.stripe_connection import StripeDown, StripeMissing, StripeRefused
from cv_payments.domain.checkouts import Wish
from cv_payments.domain.findings import NotOurs, Quarantined
from cv_payments.domain.portal import flow
from cv_payments.domain.return_urls import is_allowed
from cv_payments.domain.subscriptions import Subscription
from cv_payments.repository import owners, subscriptions
from cv_payments.schemas import PortalBody

log = logging.getLogger(__name__)

_STRIPE_DOWN = "The payment service is not available, try again later."
NOT_ALLOWED = "This address is not one that buyers may return to."
"""What is wrong with a well-formed address to return to."""


async def open_portal(context: Context, caller: Caller, data: Any) -> str:
    """The address of the caller's billing portal.

    Raises ValidationFailed, NotFound (they have never bought anything, or Stripe has forgotten them) and
    ServiceUnavailable.
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


async def page_for_subscriber(context: Context, subscription: Subscription, wish: Wish) -> str | None:
    """Where somebody who has a live subscription gets the one they wish for.

    None when Stripe refused because the subscription had changed before we heard of it: the stored one is now right.
    Raises ServiceUnavailable, NotFound and DetailError (Stripe refuses what we ask: a bug).
    """
    step = flow(subscription, wish)
    try:
        return await _page(context, subscription.customer_id, wish.cancel_url, step)
    except ServiceUnavailable:
        raise
    except (NotFound, DetailError):
        current = await _brought_up_to_date(context, subscription)
        if current.is_live and (current.customer_id, flow(current, wish)) == (subscription.customer_id, step):
            raise
        return None


async def _brought_up_to_date(context: Context, subscription: Subscription) -> Subscription:
    """The subscription as Stripe has it; as stored if Stripe's does not fit. Raises ServiceUnavailable."""
    try:
        await look_at(context, "subscription", subscription.id)
    except StripeDown as down:
        raise ServiceUnavailable(_STRIPE_DOWN) from down
    except (Quarantined, NotOurs, StripeRefused) as reason:
        details = {"subscription": subscription.id, "reason": str(reason)}
        log.error("a subscription that the portal refuses does not fit", extra=details)
    async with context.database.connection() as tx:
        return await subscriptions.get(tx, subscription.id) or subscription


async def _page(context: Context, customer_id: str, return_url: str, step: dict[str, Any] | None) -> str:
    try:
        return await context.stripe.portal(context.catalogue.portal_id, customer_id, return_url, step)
    except StripeDown as down:
        raise ServiceUnavailable(_STRIPE_DOWN) from down
    except StripeRefused as refused:
        log.warning("Stripe refuses a page of the portal", extra={"customer": customer_id, "error": str(refused)})
        if isinstance(refused, StripeMissing) and refused.is_customer:
            raise NotFound from refused
        raise DetailError from refused
