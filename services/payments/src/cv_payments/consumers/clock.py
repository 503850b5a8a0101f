"""The clock's door of payments: what is to be done again and again calls one action."""

from collections.abc import Awaitable, Callable
from functools import partial

from cv_common.kernel.periodic import Periodic

from cv_payments.actions.context import Context
from cv_payments.actions.reconciliation import EVERY, reconcile
from cv_payments.actions.stripe_calls import make_due_calls
from cv_payments.actions.webhooks import process_due_events
from cv_payments.actions.work_health import problem_with_calls, problem_with_events


class Worker(Periodic):
    """Does the work of a table every second; `question` asks what is wrong with that work."""

    def __init__(
        self, name: str, action: Callable[[], Awaitable[None]], question: Callable[[], Awaitable[str | None]]
    ) -> None:
        super().__init__(name, 1, action)
        self._question = question

    async def check(self) -> str | None:
        return await super().check() or await self._question()


def clocks(context: Context) -> list[Periodic]:
    """What payments does by itself."""
    return [
        Worker("events from Stripe", partial(process_due_events, context), partial(problem_with_events, context)),
        Worker("calls to Stripe", partial(make_due_calls, context), partial(problem_with_calls, context)),
        Periodic("reconciliation", EVERY, partial(reconcile, context)),
    ]
