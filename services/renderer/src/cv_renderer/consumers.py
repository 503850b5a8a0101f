"""What the renderer listens to: the bus, and the clock."""

import asyncio
import logging
from contextlib import suppress
from functools import partial

from cv_common.bus import Bus, Consumer
from cv_common.db import DatabaseDown
from cv_common.errors import Unavailable
from cv_common.events import ResumeDeleted

from cv_renderer.actions import pdfs
from cv_renderer.actions.context import Context

log = logging.getLogger(__name__)


def consumers(context: Context, bus: Bus) -> list[Consumer]:
    """One consumer for the one stream that the renderer listens to."""
    return [Consumer(bus, {ResumeDeleted: partial(pdfs.on_resume_deleted, context)})]


class Housekeeping:
    """Removes what nobody can fetch any more, at the start and every ten minutes."""

    name = "housekeeping"
    EVERY = 600.0

    def __init__(self, context: Context) -> None:
        self._context = context
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._keep_tidy(), name=self.name)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def problem(self) -> str | None:
        return "housekeeping has stopped" if self._task is None or self._task.done() else None

    async def _keep_tidy(self) -> None:
        while True:
            try:
                await pdfs.tidy(self._context)
            except (*DatabaseDown, Unavailable) as error:
                log.warning("housekeeping waits", extra={"error": type(error).__name__})
            await asyncio.sleep(self.EVERY)
