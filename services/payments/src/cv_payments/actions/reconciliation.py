"""Looking after what Stripe never told us, or told while we were away."""

import logging

from cv_payments.actions.checkouts import give_up
from cv_payments.actions.context import Context
from cv_payments.actions.refresh import refresh
from cv_payments.actions.retries import PASSING
from cv_payments.actions.webhooks import process_event, record_event
from cv_payments.clients.stripe_connection import StripeDown, StripeRefused
from cv_payments.domain.events import KINDS, Kind
from cv_payments.domain.findings import NotOurs, Quarantined
from cv_payments.store import checkouts, stripe_events, subscriptions

log = logging.getLogger(__name__)

EVERY = 3600.0
"""Seconds between two reconciliations."""


async def reconcile(context: Context) -> None:
    """Take the events that never arrived, look at what is overdue, and forget what has been kept long enough."""
    await _fetch_undelivered(context)
    async with context.database.connection() as tx:
        overdue_checkouts = await checkouts.overdue(tx)
        overdue_subscriptions = await subscriptions.overdue(tx)
        await stripe_events.purge_old(tx)
    for checkout in overdue_checkouts:
        if checkout.stripe_session_id is None:
            await give_up(context, checkout)
        else:
            await _look_at(context, "session", checkout.stripe_session_id)
    for subscription_id in overdue_subscriptions:
        await _look_at(context, "subscription", subscription_id)


async def _fetch_undelivered(context: Context) -> None:
    try:
        missed = await context.stripe.undelivered(sorted(KINDS))
    except (StripeDown, StripeRefused) as error:
        log.warning("undelivered events cannot be asked for", extra={"error": str(error)})
        return
    for event in missed:
        await record_event(context, event)
        await process_event(context, event.id)


async def _look_at(context: Context, kind: Kind, object_id: str) -> None:
    try:
        async with context.database.transaction() as tx:
            await refresh(context, tx, kind, object_id)
    except (Quarantined, NotOurs, StripeRefused) as reason:
        log.error("what is overdue does not fit", extra={"object": object_id, "reason": str(reason)})
    except PASSING as error:
        log.warning("what is overdue is looked at later", extra={"object": object_id, "error": repr(error)})
