"""Jobs that need an operator: quarantined events, and dead events and calls."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

from cv_common.kernel.database import Database

from cv_payments.domain.jobs import FailedJob
from cv_payments.repository.job_queues import JobQueue, calls, events

Queue = Literal["events", "calls"]
_QUEUES: Mapping[Queue, JobQueue[Any]] = {"events": events, "calls": calls}


async def list_failed(database: Database, queue: Queue, keys: Collection[str] = ()) -> list[FailedJob]:
    """The failed jobs of a queue, oldest first; with `keys` only those."""
    async with database.connection() as tx:
        return [job for job in await _QUEUES[queue].list_failed(tx) if not keys or job.key in keys]


async def retry(database: Database, queue: Queue, keys: Collection[str] = ()) -> list[FailedJob]:
    """Schedule failed jobs again; without `keys` all of them. Returns the jobs as they were."""
    failed = await list_failed(database, queue, keys)
    async with database.transaction() as tx:
        for job in failed:
            await _QUEUES[queue].retry(tx, job.key)
    return failed


async def dismiss(database: Database, queue: Queue, keys: Collection[str]) -> list[FailedJob]:
    """Close failed jobs without an effect. Returns the jobs as they were."""
    failed = await list_failed(database, queue, keys)
    async with database.transaction() as tx:
        for job in failed:
            await _QUEUES[queue].dismiss(tx, job.key)
    return failed
