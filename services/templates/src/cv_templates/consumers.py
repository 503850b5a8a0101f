"""The entry point for changes of the catalog: PostgreSQL's notifications reload what this replica serves."""

import asyncio
import logging
from contextlib import aclosing

from cv_common.kernel import tasks
from cv_common.kernel.database import DATABASE_UNAVAILABLE

from cv_templates import actions, repository
from cv_templates.actions import Context

log = logging.getLogger(__name__)

_RECONNECT_SECONDS = 1


class CatalogListener:
    """Reloads the catalog after every change, and after every connect because changes may have been missed."""

    name = "catalog"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._task: asyncio.Task[None] | None = None
        self._problem: str | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        await tasks.cancel_and_wait(self._task)

    async def check(self) -> str | None:
        return self._problem

    async def _run(self) -> None:
        while True:
            try:
                async with aclosing(repository.listen(self._context.settings.direct_url)) as changes:
                    async for _ in changes:
                        await actions.reload_catalog(self._context)
                        self._problem = None
            except DATABASE_UNAVAILABLE as error:
                log.warning("the catalog listener waits for the database", extra={"error": type(error).__name__})
                self._problem = f"the catalog is not up to date: {type(error).__name__}"
            except Exception as error:
                log.exception("the catalog could not be reloaded")
                self._problem = f"the catalog is not up to date: {type(error).__name__}"
            await asyncio.sleep(_RECONNECT_SECONDS)
