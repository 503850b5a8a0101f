"""Pages to pay at: opened for an attempt, and closed when nobody shall pay there any more."""

import logging

from cv_common.kernel.database import Transaction
from cv_common.kernel.errors import DetailError, ServiceUnavailable

from cv_payments.actions.context import Context
from cv_payments.actions.refresh import look_at
from cv_payments.clients.stripe_connection import StripeDown, StripeMissing, StripeRefused
from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.findings import NotOurs, Quarantined
from cv_payments.repository import checkouts, owners, payments, stripe_calls

log = logging.getLogger(__name__)

_STRIPE_DOWN = "The payment service is not available, try again later."


async def open_page(context: Context, checkout: Checkout) -> str | None:
    """The page of an attempt; None when the attempt was given up, and another is to be begun.

    The attempt's row is committed, so asking again, now or after a crash, opens the same page.
    Raises ServiceUnavailable
    and DetailError (Stripe refuses what we ask: a bug).
    """
    try:
        session = await context.stripe.create_session(checkout.parameters, checkout.idempotency_key)
    except StripeDown as down:
        log.warning("no checkout could be opened", extra={"checkout": str(checkout.id), "error": str(down)})
        await _leave(context, checkout, for_good=down.answered)  # Stripe repeats its answer to a key, errors included
        raise ServiceUnavailable(_STRIPE_DOWN) from down
    except StripeRefused as refused:
        if isinstance(refused, StripeMissing) and refused.is_customer:
            await _forget_customer(context, checkout)
            return None
        log.error("Stripe refuses a checkout", extra={"checkout": str(checkout.id), "error": str(refused)})
        await _leave(context, checkout, for_good=True)
        raise DetailError from refused
    assert session.url is not None, "an open session has an address"
    async with context.database.transaction() as tx:
        if await checkouts.mark_open(tx, checkout.id, session.id, session.url):
            return session.url
        log.info("a checkout was given up while it was opened", extra={"checkout": str(checkout.id)})
        await stripe_calls.expire_session(tx, session.id)
    return None


async def _forget_customer(context: Context, checkout: Checkout) -> None:
    """Somebody has deleted the customer at Stripe: the buyer becomes a new one."""
    customer_id = checkout.parameters["customer"]
    log.warning("a customer is gone at Stripe", extra={"customer": customer_id})
    async with context.database.transaction() as tx:
        await owners.forget_customer(tx, checkout.owner_id, customer_id)
        await give_up(tx, checkout)


async def _leave(context: Context, checkout: Checkout, for_good: bool) -> None:
    """The page could not be opened: nobody is at it any more, so whoever wants it need not wait."""
    async with context.database.transaction() as tx:
        if for_good:
            await give_up(tx, checkout)
        else:
            await checkouts.lease(tx, checkout.id, None)


async def close_page(context: Context, checkout: Checkout) -> None:
    """Make sure that nobody pays at a page we no longer send anybody to; if somebody just has, take note of it.

    Raises ServiceUnavailable.
    """
    if checkout.stripe_session_id is None:
        async with context.database.transaction() as tx:
            await give_up(tx, checkout)
        return
    try:
        await _expire(context, checkout.stripe_session_id)
        await follow_page(context, checkout, checkout.stripe_session_id)
    except StripeDown as down:
        raise ServiceUnavailable(_STRIPE_DOWN) from down
    except StripeRefused as refused:  # it may be paid for all we know
        log.error("Stripe refuses to show a checkout", extra={"checkout": str(checkout.id), "error": str(refused)})
        raise ServiceUnavailable(_STRIPE_DOWN) from refused


async def _expire(context: Context, stripe_session_id: str) -> None:
    try:
        await context.stripe.expire_session(stripe_session_id)
    except StripeRefused:
        log.info("a checkout was over before it was closed", extra={"session": stripe_session_id})


async def follow_page(context: Context, checkout: Checkout, stripe_session_id: str) -> None:
    """Take note of what became of an attempt. One that does not fit its session at Stripe is over: it grants nothing.

    Raises StripeDown, StripeRefused and ServiceUnavailable.
    """
    try:
        await look_at(context, "session", stripe_session_id)
    except (Quarantined, NotOurs) as reason:
        log.error("a checkout does not fit", extra={"checkout": str(checkout.id), "reason": str(reason)})
        async with context.database.transaction() as tx:
            if await checkouts.set_aside(tx, checkout.id):
                await _write_failed(tx, checkout)


async def give_up(tx: Transaction, checkout: Checkout) -> bool:
    """Nobody can pay at this attempt: Stripe did not open a session for it. False when it has meanwhile."""
    given_up = await checkouts.mark_failed(tx, checkout.id)
    if given_up:
        await _write_failed(tx, checkout)
    return given_up


async def _write_failed(tx: Transaction, checkout: Checkout) -> None:
    if checkout.resume_id is not None:
        payment = await payments.of_checkout(tx, checkout)
        await payments.write_facts(tx, payment, outcome="failed")
