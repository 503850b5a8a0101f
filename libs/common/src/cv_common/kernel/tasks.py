"""Background tasks and their cancellation."""

import asyncio
from abc import ABC, abstractmethod


class BackgroundTask(ABC):
    """A component whose coroutine `_run` runs in the background between `start` and `stop`."""

    name: str
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        await cancel_and_wait(self._task)

    @abstractmethod
    async def _run(self) -> None: ...


async def cancel_and_wait(task: asyncio.Task[object] | None) -> None:
    """Cancel a task, if any, and wait until it has ended.

    Cancelling once is not enough: before Python 3.12, `asyncio.wait_for` drops a cancellation that comes together
    with the result it waits for, and nats-py waits by it.
    """
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1)
