"""Checkout pages at Stripe: open the page of a checkout, and close a page that must not be paid."""

import logging

from cv_common.kernel.database import Transaction

from cv_payments.actions.context import Context
from cv_payments.actions.stripe_sync import sync_object
from cv_payments.clients.stripe_connection import StripeNotFound, StripeRequestError, StripeUnavailable
from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.errors import ForeignObject, Quarantined
from cv_payments.domain.payments import session_outcome
from cv_payments.repository import checkouts, owners, payments, stripe_calls

log = logging.getLogger(__name__)


async def open_page(context: Context, checkout: Checkout) -> str | None:
    """Return the URL of a checkout's page; None when the checkout was abandoned and a new one is needed.

    The checkout is committed, so a second call, even after a crash, opens the same page.
    Raises StripeUnavailable and StripeRequestError (a bug).
    """
    try:
        session = await context.stripe.create_session(checkout.parameters, checkout.idempotency_key)
    except StripeUnavailable as error:
        log.warning("cannot open a checkout", extra={"checkout": str(checkout.id), "error": str(error)})
        await _release(context, checkout, failed=error.answered)  # Stripe repeats its answer to a key, errors included
        raise
    except StripeRequestError as error:
        if isinstance(error, StripeNotFound) and error.is_customer:
            await _remove_customer(context, checkout)
            return None
        log.error("Stripe rejects a checkout", extra={"checkout": str(checkout.id), "error": str(error)})
        await _release(context, checkout, failed=True)
        raise
    assert session.url is not None, "an open session has a URL"
    async with context.database.transaction() as tx:
        if await checkouts.mark_open(tx, checkout.id, session.id, session.url):
            return session.url
        log.info("a checkout was abandoned while it was opened", extra={"checkout": str(checkout.id)})
        await stripe_calls.order(tx, "expire_session", session.id)
    return None


async def _remove_customer(context: Context, checkout: Checkout) -> None:
    """Remove a customer that was deleted at Stripe. The buyer becomes a new customer."""
    customer_id = checkout.parameters["customer"]
    log.warning("a customer was deleted at Stripe", extra={"customer": customer_id})
    async with context.database.transaction() as tx:
        await owners.remove_customer(tx, checkout.owner_id, customer_id)
        await abandon(tx, checkout)


async def _release(context: Context, checkout: Checkout, failed: bool) -> None:
    """End the lease of a page that could not be opened, so that other requests need not wait."""
    async with context.database.transaction() as tx:
        if failed:
            await abandon(tx, checkout)
        else:
            await checkouts.set_lease(tx, checkout.id, None)


async def close_page(context: Context, checkout: Checkout) -> None:
    """Close a page that is not offered any more, and store a payment that came just before.

    Raises ServiceUnavailable, also when the checkout may be paid for all we know.
    """
    if checkout.stripe_session_id is None:
        async with context.database.transaction() as tx:
            await abandon(tx, checkout)
        return
    try:
        await _expire(context, checkout.stripe_session_id)
        await sync_checkout(context, checkout, checkout.stripe_session_id)
    except StripeRequestError as error:
        log.error("Stripe does not show a checkout", extra={"checkout": str(checkout.id), "error": str(error)})
        raise StripeUnavailable(str(error)) from error


async def _expire(context: Context, stripe_session_id: str) -> None:
    try:
        await context.stripe.expire_session(stripe_session_id)
    except StripeRequestError:
        log.info("a checkout was over before it was closed", extra={"session": stripe_session_id})


async def sync_checkout(context: Context, checkout: Checkout, stripe_session_id: str) -> None:
    """Synchronize a checkout with its session. A mismatched session fails its checkout, unless it may be paid.

    Raises ServiceUnavailable, also for a mismatched session that may be paid, and StripeRequestError.
    """
    try:
        await sync_object(context, "session", stripe_session_id)
    except (Quarantined, ForeignObject) as reason:
        log.error("a session does not match its checkout", extra={"checkout": str(checkout.id), "reason": str(reason)})
        if await _may_be_paid(context, stripe_session_id):
            raise StripeUnavailable(str(reason)) from reason
        async with context.database.transaction() as tx:
            if await checkouts.mark_failed(tx, checkout.id):
                await _fail_payment(tx, checkout)


async def _may_be_paid(context: Context, stripe_session_id: str) -> bool:
    try:
        return session_outcome(await context.stripe.get_session(stripe_session_id)) != "failed"
    except StripeNotFound:
        return False


async def abandon(tx: Transaction, checkout: Checkout) -> bool:
    """Mark a checkout failed for which Stripe opened no session. False when Stripe has opened one meanwhile."""
    abandoned = await checkouts.mark_new_failed(tx, checkout.id)
    if abandoned:
        await _fail_payment(tx, checkout)
    return abandoned


async def _fail_payment(tx: Transaction, checkout: Checkout) -> None:
    if checkout.resume_id is not None:
        payment = await payments.get_of_checkout(tx, checkout)
        await payments.update_facts(tx, payment.with_facts({"outcome": "failed"}))
