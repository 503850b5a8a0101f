"""A buyer's poll of a pending checkout asks Stripe itself: the webhook may be late, or lost."""

import asyncio
import logging

from cv_payments.actions.context import Context
from cv_payments.actions.refresh import look_at
from cv_payments.actions.retries import PASSING
from cv_payments.clients.stripe_connection import StripeRefused
from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.findings import NotOurs, Quarantined
from cv_payments.domain.payments import session_outcome
from cv_payments.repository import checkouts

log = logging.getLogger(__name__)

POLLS_AT_ONCE = 8
"""Polls of one process that may wait for Stripe together."""
_SESSION_DEADLINE = 2.0
"""Seconds in which Stripe has to say what became of the session."""
_DEADLINE = 4.0
"""Seconds for a poll altogether, when the session has ended and the outcome is to be stored."""


async def ask_stripe(context: Context, checkout: Checkout, stripe_session_id: str) -> bool:
    """Store what became of a pending checkout, exactly as a webhook would. False when nothing has changed.

    Asks at most once in a few seconds for each checkout. The first look holds no database connection and no lock:
    most polls come before the buyer has paid. Whatever goes wrong is logged, and the stored state remains the answer:
    a session that a webhook quarantines or ignores may be paid, so its checkout stays pending.
    """
    if context.polls.locked():
        return False
    async with context.polls:
        try:
            async with asyncio.timeout(_DEADLINE):
                return await _follow(context, checkout, stripe_session_id)
        except (Quarantined, NotOurs) as reason:
            details = {"checkout": str(checkout.id), "session": stripe_session_id, "reason": str(reason)}
            log.error("a poll found a session that does not fit its checkout", extra=details)
        except (StripeRefused, *PASSING) as error:
            details = {"checkout": str(checkout.id), "error": repr(error)}
            log.warning("a poll could not bring its checkout up to date", extra=details)
        except Exception:
            log.exception("a poll failed to bring its checkout up to date", extra={"checkout": str(checkout.id)})
        return False


async def _follow(context: Context, checkout: Checkout, stripe_session_id: str) -> bool:
    async with context.database.connection() as tx:
        if not await checkouts.claim_poll(tx, checkout.id):
            return False
    async with asyncio.timeout(_SESSION_DEADLINE):
        session = await context.stripe.session(stripe_session_id)
    if session_outcome(session) == "pending":
        return False
    await look_at(context, "session", stripe_session_id)
    return True
