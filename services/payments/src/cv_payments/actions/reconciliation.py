"""Reconciliation: fetch from Stripe what lost or rejected webhooks did not deliver."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from cv_common.kernel.database import DATABASE_UNAVAILABLE

from cv_payments.actions.checkout_pages import close_page, sync_checkout
from cv_payments.actions.context import Context
from cv_payments.actions.jobs import TRANSIENT_ERRORS
from cv_payments.actions.stripe_sync import refresh_subscription
from cv_payments.actions.webhooks import process_event, store_event
from cv_payments.clients.stripe_connection import StripeRequestError, StripeUnavailable
from cv_payments.domain.events import OBJECT_KINDS
from cv_payments.repository import checkouts, stripe_events, subscriptions

log = logging.getLogger(__name__)

INTERVAL = 3600.0
"""Seconds between two reconciliations."""


async def reconcile(context: Context) -> None:
    """Process undelivered events, synchronize overdue checkouts and subscriptions, and purge old events.

    An unexpected error does not stop the others. The first one is raised at the end.
    """
    errors: list[Exception] = []
    with _collect(errors, "undelivered events"):
        await _process_undelivered(context, errors)
    async with context.database.connection() as tx:
        overdue_checkouts = await checkouts.list_overdue(tx)
    for checkout_id in overdue_checkouts:
        with _collect(errors, str(checkout_id)):
            await _sync_checkout(context, checkout_id)
    async with context.database.connection() as tx:
        overdue_subscriptions = await subscriptions.list_overdue(tx)
    for subscription_id in overdue_subscriptions:
        with _collect(errors, subscription_id):
            await _sync_subscription(context, subscription_id)
    async with context.database.connection() as tx:
        await stripe_events.purge(tx)
    if errors:
        raise errors[0]


@contextmanager
def _collect(errors: list[Exception], what: str) -> Iterator[None]:
    """Collect errors. Without a database nothing can continue, so its errors are raised."""
    try:
        yield
    except DATABASE_UNAVAILABLE:
        raise
    except Exception as error:
        log.exception("reconciliation of an object failed", extra={"object": what})
        errors.append(error)


async def _process_undelivered(context: Context, errors: list[Exception]) -> None:
    """Store and process undelivered events. Stripe lists them for 30 days, so those already stored are skipped."""
    try:
        async for page in context.stripe.list_undelivered(sorted(OBJECT_KINDS)):
            async with context.database.connection() as tx:
                known = await stripe_events.find_known(tx, [event.id for event in page])
            for event in page:
                if event.id not in known:
                    with _collect(errors, event.id):
                        await store_event(context, event)
                        await process_event(context, event.id)
    except (StripeUnavailable, StripeRequestError) as error:
        log.warning("cannot list undelivered events", extra={"error": str(error)})


async def _sync_checkout(context: Context, checkout_id: UUID) -> None:
    async with context.database.connection() as tx:
        checkout = await checkouts.find(tx, checkout_id)
    assert checkout is not None, "checkouts are never deleted"
    try:
        if checkout.stripe_session_id is None:
            await close_page(context, checkout)
        else:
            await sync_checkout(context, checkout, checkout.stripe_session_id)
    except (StripeRequestError, *TRANSIENT_ERRORS) as error:
        log.warning("an overdue object is left for later", extra={"object": str(checkout_id), "error": repr(error)})


async def _sync_subscription(context: Context, subscription_id: str) -> None:
    try:
        await refresh_subscription(context, subscription_id)
    except TRANSIENT_ERRORS as error:
        log.warning("an overdue object is left for later", extra={"object": subscription_id, "error": repr(error)})
