"""Stripe's billing portal: pages where a buyer changes plan or card, cancels, and finds invoices."""

import logging
from typing import NoReturn

from cv_common.kernel.errors import NotFound, ValidationFailed
from cv_common.kernel.identity import Caller

from cv_payments.actions.context import Context
from cv_payments.actions.stripe_sync import refresh_subscription
from cv_payments.clients.stripe_connection import StripeNotFound, StripeRequestError
from cv_payments.domain.checkouts import CheckoutRequest
from cv_payments.domain.portal import portal_flow
from cv_payments.domain.return_urls import ORIGIN_NOT_ALLOWED, is_allowed
from cv_payments.domain.subscriptions import Subscription
from cv_payments.repository import owners, subscriptions

log = logging.getLogger(__name__)


async def open_portal(context: Context, caller: Caller, return_url: str) -> str:
    """Return the URL of the caller's billing portal.

    Raises ValidationFailed, NotFound (the caller has no customer at Stripe) and ServiceUnavailable.
    """
    if not is_allowed(return_url, context.settings.checkout_allowed_origins):
        raise ValidationFailed.on("return_url", ORIGIN_NOT_ALLOWED)
    async with context.database.connection() as tx:
        owner = await owners.find_caller(tx, caller)
        live = [each for each in await subscriptions.list_of_owner(tx, owner.id) if each.is_live] if owner else []
    customer_id = live[0].customer_id if live else owner.customer_id if owner else None
    if customer_id is None:
        raise NotFound
    try:
        return await context.stripe.create_portal_session(context.catalog.portal_id, customer_id, return_url, None)
    except StripeRequestError as error:
        _reject(customer_id, error)


async def portal_for_subscriber(context: Context, subscription: Subscription, request: CheckoutRequest) -> str | None:
    """Return the portal's URL for a subscriber who asks for a subscription.

    None when Stripe rejects the request because the subscription has changed: the stored one is now up to date.
    Raises ServiceUnavailable, NotFound and StripeRequestError (a bug).
    """
    flow = portal_flow(subscription, request)
    customer_id = subscription.customer_id
    try:
        return await context.stripe.create_portal_session(
            context.catalog.portal_id, customer_id, request.cancel_url, flow
        )
    except StripeRequestError as error:
        await refresh_subscription(context, subscription.id)
        async with context.database.connection() as tx:
            current = await subscriptions.find(tx, subscription.id) or subscription
        if current.is_live and (current.customer_id, portal_flow(current, request)) == (customer_id, flow):
            _reject(customer_id, error)
        return None


def _reject(customer_id: str, error: StripeRequestError) -> NoReturn:
    log.warning("Stripe rejects a portal session", extra={"customer": customer_id, "error": str(error)})
    if isinstance(error, StripeNotFound) and error.is_customer:
        raise NotFound from error
    raise error
