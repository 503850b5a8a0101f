"""Work that must not be lost, done: what passes is tried for ever, what does not is dead after a while."""

import logging
from collections.abc import Awaitable, Callable

from cv_common.kernel.database import DATABASE_UNAVAILABLE, Row
from cv_common.kernel.errors import ServiceUnavailable

from cv_payments.actions.context import Context
from cv_payments.clients.stripe_connection import StripeDown
from cv_payments.repository.work import Work

log = logging.getLogger(__name__)

PASSING = (StripeDown, ServiceUnavailable, TimeoutError, *DATABASE_UNAVAILABLE)
"""What goes away by itself."""
TRIES = 8
"""Tries after which work that fails for another reason is dead, which turns health red."""
_LONGEST_PAUSE = 300.0


async def attempt(context: Context, work: Work, key: str, act: Callable[[Context, Row], Awaitable[None]]) -> None:
    """Do a piece of work, unless that is done or somebody is at it. Whatever goes wrong, it is not lost."""
    try:
        async with context.database.connection() as tx:
            taken = await work.take(tx, key)
        if taken is not None:
            await _try(context, work, key, taken, act)
    except DATABASE_UNAVAILABLE as error:  # its lease will end
        log.warning("work waits for the database", extra={"work": key, "error": type(error).__name__})


async def _try(
    context: Context, work: Work, key: str, taken: Row, act: Callable[[Context, Row], Awaitable[None]]
) -> None:
    try:
        await act(context, taken)
    except PASSING as error:
        log.warning("work is put off", extra={"work": key, "error": repr(error)})
        await _put_off(context, work, taken, key, error)
    except Exception as error:
        log.exception("work failed", extra={"work": key, "attempts": taken["attempts"]})
        await _put_off(context, work, taken, key, error)


async def _put_off(context: Context, work: Work, taken: Row, key: str, error: Exception) -> None:
    attempts = taken["attempts"]
    async with context.database.connection() as tx:
        if attempts >= TRIES and not isinstance(error, PASSING):
            await work.finish(tx, key, "dead", repr(error))
        else:
            await work.postpone(tx, key, repr(error), min(2.0 ** min(attempts - 1, 10), _LONGEST_PAUSE))
