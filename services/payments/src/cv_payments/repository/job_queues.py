"""Job queues: the tables of Stripe's events and of the calls to Stripe.

A process leases a job. When it dies, the lease expires and another process takes the job.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

from cv_common.kernel.database import Query, Scalar, Statement, Transaction
from sqlalchemy import Column, ColumnElement, Double, Table, bindparam, cast, func, select, text, update

from cv_payments.domain.jobs import CallJob, EventJob, FailedJob, Job, Outcome, QueueHealth
from cv_payments.tables import sql_literals, stripe_calls, stripe_events

JobT = TypeVar("JobT", bound=Job)

_LEASE = text("interval '15 seconds'")


class JobQueue(Generic[JobT]):
    """The jobs of one table. `columns` are those of `job` beside `key` and `attempts`."""

    def __init__(
        self,
        table: Table,
        job: type[JobT],
        columns: Sequence[ColumnElement[object]],
        kind: Column[str],
        since: Column[object],
    ) -> None:
        key: Column[str] = table.primary_key.columns[0]
        has_key = key == bindparam("job_key")
        unfinished = table.c.outcome.is_(None)
        free = unfinished & (table.c.leased_until.is_(None) | (table.c.leased_until < func.now()))
        failed = table.c.outcome.in_(sql_literals("dead", "quarantined"))
        self._due = Scalar(
            select(key)
            .where(free, table.c.next_try_at <= func.now())
            .order_by(table.c.next_try_at)
            .limit(bindparam("limit")),
            str,
        )
        self._lease = Query(
            update(table)
            .where(has_key, free)
            .values(leased_until=func.now() + _LEASE, attempts=table.c.attempts + 1)
            .returning(key.label("key"), table.c.attempts, *columns),
            job,
        )
        self._postpone = Statement(
            update(table)
            .where(has_key, unfinished)
            .values(
                leased_until=None,
                error=bindparam("reason"),
                next_try_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds")),
            )
        )
        self._finish = Statement(
            update(table)
            .where(has_key)
            .values(leased_until=None, processed_at=func.now(), outcome=bindparam("result"), error=bindparam("reason"))
        )
        self._failed = Query(
            select(
                key.label("key"),
                kind.label("kind"),
                since.label("since"),
                table.c.object_id,
                table.c.outcome,
                table.c.attempts,
                table.c.error,
            )
            .where(failed)
            .order_by(since, key),
            FailedJob,
        )
        self._retry = Statement(
            update(table)
            .where(has_key, failed)
            .values(attempts=0, next_try_at=func.now(), outcome=None, error=None, processed_at=None)
        )
        self._dismiss = Statement(update(table).where(has_key, failed).values(outcome="dismissed"))
        waiting = cast(func.extract("epoch", func.now() - func.min(since).filter(unfinished)), Double)
        self._health = Query(
            select(
                func.count().filter(table.c.outcome == "dead").label("dead"),
                func.count().filter(table.c.outcome == "quarantined").label("quarantined"),
                func.coalesce(waiting, 0.0).label("oldest"),
            ).where(unfinished | failed),
            QueueHealth,
        )

    async def list_due(self, tx: Transaction, limit: int) -> list[str]:
        """Return the keys of jobs to do now, the longest due first."""
        return await tx.fetch_all(self._due, limit=limit)

    async def lease(self, tx: Transaction, key: str) -> JobT | None:
        """Lease a job for 15 seconds. None when it is finished or leased."""
        return await tx.fetch_one(self._lease, job_key=key)

    async def postpone(self, tx: Transaction, key: str, reason: str, seconds: float) -> None:
        """End the lease and schedule the next attempt."""
        await tx.execute(self._postpone, job_key=key, reason=reason, seconds=seconds)

    async def finish(self, tx: Transaction, key: str, outcome: Outcome, reason: str | None = None) -> None:
        """Store the outcome of a job."""
        await tx.execute(self._finish, job_key=key, result=outcome, reason=reason)

    async def list_failed(self, tx: Transaction) -> list[FailedJob]:
        """Return all dead and quarantined jobs, oldest first."""
        return await tx.fetch_all(self._failed)

    async def retry(self, tx: Transaction, key: str) -> None:
        """Schedule a dead or quarantined job again, as if it were new."""
        await tx.execute(self._retry, job_key=key)

    async def dismiss(self, tx: Transaction, key: str) -> None:
        """Close a dead or quarantined job."""
        await tx.execute(self._dismiss, job_key=key)

    async def health(self, tx: Transaction) -> QueueHealth:
        """Return how many jobs are dead or quarantined, and how long the oldest one has waited."""
        health = await tx.fetch_one(self._health)
        assert health is not None
        return health


events = JobQueue(
    stripe_events,
    EventJob,
    [stripe_events.c.type, stripe_events.c.object_id],
    kind=stripe_events.c.type,
    since=stripe_events.c.received_at,
)
calls = JobQueue(
    stripe_calls,
    CallJob,
    [
        stripe_calls.c.action,
        stripe_calls.c.object_id,
        stripe_calls.c.parameters["reason"].astext.label("reason"),
        stripe_calls.c.refusals,
    ],
    kind=stripe_calls.c.action,
    since=stripe_calls.c.ordered_at,
)
