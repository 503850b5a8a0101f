"""Cancellation of background tasks."""

import asyncio
from typing import Any


async def cancel_and_wait(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task, if any, and wait until it has ended.

    Cancelling once is not enough: before Python 3.12, `asyncio.wait_for` drops a cancellation that comes together
    with the result it waits for, and nats-py waits by it.
    """
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1)
