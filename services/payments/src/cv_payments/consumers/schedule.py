"""Scheduled jobs: each calls one action."""

from collections.abc import Awaitable, Callable
from functools import partial

from cv_common.kernel.periodic import Periodic

from cv_payments.actions.context import Context
from cv_payments.actions.jobs import check_calls, check_events
from cv_payments.actions.reconciliation import INTERVAL, reconcile
from cv_payments.actions.stripe_calls import make_due_calls
from cv_payments.actions.webhooks import process_due_events


class QueueWorker(Periodic):
    """Runs the due jobs of a queue every second. `check_queue` returns the queue's problem for health."""

    def __init__(
        self, name: str, action: Callable[[], Awaitable[None]], check_queue: Callable[[], Awaitable[str | None]]
    ) -> None:
        super().__init__(name, 1, action)
        self._check_queue = check_queue

    async def check(self) -> str | None:
        return await super().check() or await self._check_queue()


def scheduled_jobs(context: Context) -> list[Periodic]:
    """The queue workers and the hourly reconciliation."""
    return [
        QueueWorker("events from Stripe", partial(process_due_events, context), partial(check_events, context)),
        QueueWorker("calls to Stripe", partial(make_due_calls, context), partial(check_calls, context)),
        Periodic("reconciliation", INTERVAL, partial(reconcile, context)),
    ]
