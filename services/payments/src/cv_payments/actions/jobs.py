"""Jobs: run one, check a queue, and handle failed jobs. Transient errors are retried forever, others eight times."""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Literal

from cv_common.kernel.database import DATABASE_UNAVAILABLE, Database
from cv_common.kernel.errors import ServiceUnavailable

from cv_payments.actions.context import Context
from cv_payments.domain.jobs import CallJob, EventJob, FailedJob
from cv_payments.repository.job_queues import JobQueue, JobT, calls, events

log = logging.getLogger(__name__)

TRANSIENT_ERRORS = (ServiceUnavailable, TimeoutError, *DATABASE_UNAVAILABLE)
MAX_ATTEMPTS = 8
"""Attempts after which a job that fails with another error is dead. A dead job turns health red."""
_MAX_DELAY = 300.0
LATE_SECONDS = 600.0
"""Seconds after which health reports an unfinished job, whatever delays it."""

QueueName = Literal["events", "calls"]
Command = Literal["list", "retry", "dismiss"]
QUEUE_TITLES: Mapping[QueueName, str] = {"events": "events from Stripe", "calls": "calls to Stripe"}
_QUEUES: Mapping[QueueName, JobQueue[EventJob] | JobQueue[CallJob]] = {"events": events, "calls": calls}


async def run_job(
    context: Context, queue: JobQueue[JobT], key: str, action: Callable[[Context, JobT], Awaitable[None]]
) -> None:
    """Lease a job and run `action`, unless the job is finished or leased. A failed job is scheduled again."""
    try:
        async with context.database.connection() as tx:
            job = await queue.lease(tx, key)
        if job is not None:
            await _run(context, queue, job, action)
    except DATABASE_UNAVAILABLE as error:  # the lease expires
        log.warning("a job waits for the database", extra={"work": key, "error": type(error).__name__})


async def _run(
    context: Context, queue: JobQueue[JobT], job: JobT, action: Callable[[Context, JobT], Awaitable[None]]
) -> None:
    try:
        await action(context, job)
    except TRANSIENT_ERRORS as error:
        log.warning("a job is postponed", extra={"work": job.key, "error": repr(error)})
        await _postpone(context, queue, job, error)
    except Exception as error:
        log.exception("a job failed", extra={"work": job.key, "attempts": job.attempts})
        if job.attempts < MAX_ATTEMPTS:
            await _postpone(context, queue, job, error)
        else:
            async with context.database.connection() as tx:
                await queue.finish(tx, job.key, "dead", repr(error))


async def _postpone(context: Context, queue: JobQueue[JobT], job: JobT, error: Exception) -> None:
    delay = min(2.0 ** min(job.attempts - 1, 10), _MAX_DELAY)
    async with context.database.connection() as tx:
        await queue.postpone(tx, job.key, repr(error), delay)


async def check_queue(context: Context, name: QueueName) -> str | None:
    """Return the problems of a queue in one sentence, or None."""
    try:
        async with context.database.connection() as tx:
            health = await _QUEUES[name].health(tx)
    except DATABASE_UNAVAILABLE:
        return None  # the database reports it itself
    title = QUEUE_TITLES[name]
    problems = {
        f"{health.dead} {title} failed for good": health.dead,
        f"{health.quarantined} {title} are quarantined": health.quarantined,
        f"{title} have waited {health.oldest:.0f} s": health.oldest > LATE_SECONDS,
    }
    return "; ".join(problem for problem, is_so in problems.items() if is_so) or None


async def handle_failed(
    database: Database, name: QueueName, command: Command, keys: Collection[str] = ()
) -> list[FailedJob]:
    """List dead and quarantined jobs, schedule them again, or close them without an effect; with `keys` only those.

    Returns the jobs as they were, oldest first.
    """
    queue = _QUEUES[name]
    async with database.transaction() as tx:
        failed = [job for job in await queue.list_failed(tx) if not keys or job.key in keys]
        for job in failed:
            if command == "retry":
                await queue.retry(tx, job.key)
            elif command == "dismiss":
                await queue.dismiss(tx, job.key)
    return failed
