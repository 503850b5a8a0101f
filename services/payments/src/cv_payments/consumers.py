"""NATS consumers and scheduled jobs: each event and each tick calls one action."""

from collections.abc import Awaitable, Callable
from functools import partial

from cv_common.kernel.periodic import Periodic
from cv_common.messaging.broker import Broker
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import ResumeDeleted, SessionClaimed, SessionMerged, UserDeleted

from cv_payments.actions import deletions, sessions
from cv_payments.actions.context import Context
from cv_payments.actions.jobs import QUEUE_TITLES, QueueName, check_queue
from cv_payments.actions.reconciliation import INTERVAL, reconcile
from cv_payments.actions.stripe_calls import make_due_calls
from cv_payments.actions.webhooks import process_due_events


class QueueWorker(Periodic):
    """Runs the due jobs of a queue every second. Health also reports the problems of the queue."""

    def __init__(self, context: Context, queue: QueueName, action: Callable[[Context], Awaitable[None]]) -> None:
        super().__init__(QUEUE_TITLES[queue], 1, partial(action, context))
        self._check_queue = partial(check_queue, context, queue)

    async def check(self) -> str | None:
        return await super().check() or await self._check_queue()


def consumers(context: Context, broker: Broker) -> list[Consumer]:
    """Return one consumer for each stream that payments subscribes to."""
    return [
        Consumer(
            broker,
            {
                SessionClaimed: partial(sessions.on_session_claimed, context),
                SessionMerged: partial(sessions.on_session_merged, context),
                UserDeleted: partial(deletions.on_user_deleted, context),
            },
        ),
        Consumer(broker, {ResumeDeleted: partial(deletions.on_resume_deleted, context)}),
    ]


def scheduled_jobs(context: Context) -> list[Periodic]:
    """Return the queue workers and the hourly reconciliation."""
    return [
        QueueWorker(context, "events", process_due_events),
        QueueWorker(context, "calls", make_due_calls),
        Periodic("reconciliation", INTERVAL, partial(reconcile, context)),
    ]
