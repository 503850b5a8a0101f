"""Cancellation of background tasks."""

import asyncio

from cv_common.kernel.tasks import cancel_and_wait


async def test_a_task_that_misses_a_cancellation_is_canceled_again() -> None:
    missed = 0

    async def work() -> None:
        nonlocal missed
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            missed += 1
        await asyncio.sleep(1000)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert task.cancelled()
    assert missed == 1


async def test_none_is_ignored() -> None:
    await cancel_and_wait(None)
