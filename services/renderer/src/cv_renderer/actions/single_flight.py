"""Concurrent calls for the same key share one execution."""

import asyncio
from collections.abc import Callable, Coroutine


class SingleFlight:
    """Runs work once per key at a time. Work that has started continues when its callers are canceled."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self, key: str, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Start `work`, or join the work that runs for `key`, and wait until it ends. Raises what the work raises."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work())
            task.add_done_callback(lambda _: self._tasks.pop(key))
        await asyncio.shield(task)
