"""A buyer's poll of a pending checkout asks Stripe, because a webhook may be late or lost."""

import asyncio
import logging

from cv_payments.actions.context import Context
from cv_payments.actions.jobs import TRANSIENT_ERRORS
from cv_payments.actions.stripe_sync import sync_object
from cv_payments.clients.stripe_connection import StripeRequestError
from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.errors import ForeignObject, Quarantined
from cv_payments.domain.payments import session_outcome
from cv_payments.repository import checkouts

log = logging.getLogger(__name__)

MAX_CONCURRENT_POLLS = 8
"""Polls of one process that may wait for Stripe at once."""
_SESSION_TIMEOUT = 2.0
"""Seconds for Stripe to answer with the session."""
_TIMEOUT = 4.0
"""Seconds for the whole poll, including the synchronization of a finished session."""


async def poll_stripe(context: Context, checkout: Checkout, stripe_session_id: str) -> bool:
    """Synchronize a pending checkout whose session has finished. False when nothing has changed.

    Asks Stripe at most once in three seconds for each checkout, first without a transaction, because most polls come
    before the buyer has paid. Errors are logged, and the stored state remains the answer. A mismatched or foreign
    session may be paid, so its checkout stays pending.
    """
    if context.poll_semaphore.locked():
        return False
    details = {"checkout": str(checkout.id), "session": stripe_session_id}
    async with context.poll_semaphore:
        try:
            async with asyncio.timeout(_TIMEOUT):
                return await _poll(context, checkout, stripe_session_id)
        except (Quarantined, ForeignObject) as reason:
            log.error("the polled session does not match its checkout", extra={**details, "reason": str(reason)})
        except (StripeRequestError, *TRANSIENT_ERRORS) as error:
            log.warning("cannot poll a checkout at Stripe", extra={**details, "error": repr(error)})
        except Exception:
            log.exception("the poll of a checkout failed", extra=details)
        return False


async def _poll(context: Context, checkout: Checkout, stripe_session_id: str) -> bool:
    async with context.database.connection() as tx:
        if not await checkouts.claim_poll(tx, checkout.id):
            return False
    async with asyncio.timeout(_SESSION_TIMEOUT):
        session = await context.stripe.get_session(stripe_session_id)
    if session_outcome(session) == "pending":
        return False
    await sync_object(context, "session", stripe_session_id)
    return True
