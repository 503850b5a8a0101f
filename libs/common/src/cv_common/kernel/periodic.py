"""Scheduled work, such as deleting expired rows."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cv_common.kernel.database import DATABASE_UNAVAILABLE
from cv_common.kernel.tasks import BackgroundTask

log = logging.getLogger(__name__)


class Periodic(BackgroundTask):
    """Scheduled calls of `action`: at start and then every `interval` seconds, maybe in several replicas at a time."""

    def __init__(self, name: str, interval: float, action: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self._interval = interval
        self._action = action
        self._problem: str | None = None

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
