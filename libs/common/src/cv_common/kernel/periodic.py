"""Scheduled work, such as deleting expired rows."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cv_common.kernel import tasks
from cv_common.kernel.database import DATABASE_UNAVAILABLE

log = logging.getLogger(__name__)


class Periodic:
    """Calls `action` at start and then every `interval` seconds. Several replicas may call it at the same time."""

    def __init__(self, name: str, interval: float, action: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self._interval = interval
        self._action = action
        self._task: asyncio.Task[None] | None = None
        self._problem: str | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        await tasks.cancel_and_wait(self._task)

    async def check(self) -> str | None:
        return self._problem

    async def _run(self) -> None:
        """Call the action for ever. After a failure, retry within a minute; `check` reports it until it succeeds."""
        while True:
            try:
                await self._action()
                self._problem = None
            except DATABASE_UNAVAILABLE as error:
                log.warning("periodic work failed: the database is unavailable", extra={"work": self.name})
                self._problem = f"{self.name} failed: {type(error).__name__}"
            except Exception as error:
                log.exception("periodic work failed", extra={"work": self.name})
                self._problem = f"{self.name} failed: {type(error).__name__}"
            await asyncio.sleep(self._interval if self._problem is None else min(60, self._interval))
