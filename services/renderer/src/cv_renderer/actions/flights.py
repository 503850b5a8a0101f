"""Equal work asked for at the same moment is done once."""

import asyncio
from collections.abc import Awaitable, Callable


class Flights:
    """Work under way, by key. It goes on when whoever asked for it does not wait any longer."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def join(self, key: str, work: Callable[[], Awaitable[None]]) -> None:
        """Wait until `work` is done, started now or earlier. Raises what it raises."""
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._fly(key, work))
            self._under_way[key] = task
        await asyncio.shield(task)

    async def _fly(self, key: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        finally:
            del self._under_way[key]
