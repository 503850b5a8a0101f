"""Is anything stuck between Stripe and us?"""

from cv_common.kernel.database import DATABASE_UNAVAILABLE

from cv_payments.actions.context import Context
from cv_payments.repository.work import Work, calls, events

LATE = 600.0
"""Seconds after which unfinished work is a problem, however passing its reasons."""


async def problem_with_events(context: Context) -> str | None:
    """What is wrong with Stripe's events, in one sentence."""
    return await _problem(context, events, "events from Stripe")


async def problem_with_calls(context: Context) -> str | None:
    """What is wrong with our calls to Stripe, in one sentence."""
    return await _problem(context, calls, "calls to Stripe")


async def _problem(context: Context, work: Work, noun: str) -> str | None:
    try:
        async with context.database.connection() as tx:
            health = await work.health(tx)
    except DATABASE_UNAVAILABLE:
        return None  # the database says so itself
    wrong = {
        f"{health.dead} {noun} failed for good": health.dead,
        f"{health.quarantined} {noun} are quarantined": health.quarantined,
        f"{noun} have waited {health.oldest:.0f} s": health.oldest > LATE,
    }
    return "; ".join(sentence for sentence, is_so in wrong.items() if is_so) or None
