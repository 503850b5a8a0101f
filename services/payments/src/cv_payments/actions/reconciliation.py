"""Looking after what Stripe never told us, or told while we were away."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from uuid import UUID

from cv_common.kernel.database import DATABASE_UNAVAILABLE

from cv_payments.actions.context import Context
from cv_payments.actions.pages import close_page, follow_page
from cv_payments.actions.refresh import look_at
from cv_payments.actions.retries import PASSING
from cv_payments.actions.webhooks import process_event, record_event
from cv_payments.clients.stripe_connection import StripeDown, StripeRefused
from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.events import KINDS
from cv_payments.domain.findings import NotOurs, Quarantined
from cv_payments.repository import checkouts, stripe_events, subscriptions

log = logging.getLogger(__name__)

EVERY = 3600.0
"""Seconds between two reconciliations."""
_BATCH = 1000


async def reconcile(context: Context) -> None:
    """Take the events that never arrived, look at what is overdue, and forget what need not be kept.

    What fails unexpectedly stands in the way of nothing else. The first such error is raised in the end.
    """
    errors: list[Exception] = []
    with _going_on(errors, "undelivered events"):
        await _fetch_undelivered(context, errors)
    async for checkout in _overdue_checkouts(context):
        with _going_on(errors, str(checkout.id)):
            await _look_at_checkout(context, checkout)
    async for subscription_id in _overdue_subscriptions(context):
        with _going_on(errors, subscription_id):
            await _look_at_subscription(context, subscription_id)
    await _forget_old_events(context)
    if errors:
        raise errors[0]


@contextmanager
def _going_on(errors: list[Exception], what: str) -> Iterator[None]:
    """Collects what is raised. Without a database nothing can go on."""
    try:
        yield
    except DATABASE_UNAVAILABLE:
        raise
    except Exception as error:
        log.exception("reconciliation goes on without something", extra={"object": what})
        errors.append(error)


async def _fetch_undelivered(context: Context, errors: list[Exception]) -> None:
    """Keep and act on every event that no webhook brought. Stripe lists them for 30 days: those we know are skipped."""
    try:
        async for page in context.stripe.undelivered(sorted(KINDS)):
            async with context.database.connection() as tx:
                known = await stripe_events.known(tx, [event.id for event in page])
            for event in page:
                if event.id not in known:
                    with _going_on(errors, event.id):
                        await record_event(context, event)
                        await process_event(context, event.id)
    except (StripeDown, StripeRefused) as error:
        log.warning("undelivered events cannot be asked for", extra={"error": str(error)})


async def _forget_old_events(context: Context) -> None:
    forgotten = _BATCH
    while forgotten == _BATCH:
        async with context.database.connection() as tx:
            forgotten = await stripe_events.forget_old(tx, _BATCH)


async def _overdue_checkouts(context: Context) -> AsyncIterator[Checkout]:
    """All of them: one that cannot be cleared up now stands in the way of no other."""
    page, after = checkouts.PAGE, UUID(int=0)
    while page == checkouts.PAGE:
        async with context.database.connection() as tx:
            found = await checkouts.overdue(tx, after)
        for checkout in found:
            yield checkout
        page, after = len(found), found[-1].id if found else after


async def _overdue_subscriptions(context: Context) -> AsyncIterator[str]:
    """All of them, by id."""
    page, after = subscriptions.PAGE, ""
    while page == subscriptions.PAGE:
        async with context.database.connection() as tx:
            found = await subscriptions.overdue(tx, after)
        for subscription_id in found:
            yield subscription_id
        page, after = len(found), found[-1] if found else after


async def _look_at_checkout(context: Context, checkout: Checkout) -> None:
    try:
        if checkout.stripe_session_id is None:
            await close_page(context, checkout)
        else:
            await follow_page(context, checkout, checkout.stripe_session_id)
    except (StripeRefused, *PASSING) as error:
        log.warning("what is overdue is looked at later", extra={"object": str(checkout.id), "error": repr(error)})


async def _look_at_subscription(context: Context, subscription_id: str) -> None:
    try:
        await look_at(context, "subscription", subscription_id)
    except (Quarantined, NotOurs, StripeRefused) as reason:
        log.error("what is overdue does not fit", extra={"object": subscription_id, "reason": str(reason)})
    except PASSING as error:
        log.warning("what is overdue is looked at later", extra={"object": subscription_id, "error": repr(error)})
