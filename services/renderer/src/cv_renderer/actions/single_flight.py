"""Concurrent calls for the same key share one execution."""

import asyncio
from collections.abc import Awaitable, Callable


class SingleFlight:
    """Runs work once per key at a time. Work that has started continues when its callers are canceled."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self, key: str, work: Callable[[], Awaitable[None]]) -> None:
        """Start `work`, or join the work that runs for `key`, and wait until it ends. Raises what the work raises."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(self._run(key, work))
            self._tasks[key] = task
        await asyncio.shield(task)

    async def _run(self, key: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        finally:
            del self._tasks[key]
