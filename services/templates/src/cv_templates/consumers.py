"""The entry point for changes of the catalog: PostgreSQL's notifications reload what this replica serves."""

from contextlib import aclosing

from cv_common.kernel.periodic import Periodic

from cv_templates import actions, repository
from cv_templates.actions import Context

_RECONNECT_SECONDS = 1


class CatalogListener(Periodic):
    """Reloads the catalog after every change, and after every connect because changes may have been missed."""

    def __init__(self, context: Context) -> None:
        super().__init__("catalog", _RECONNECT_SECONDS, self._follow_changes)
        self._context = context

    async def _follow_changes(self) -> None:
        """Reload after each change until the connection breaks."""
        async with aclosing(repository.listen(self._context.settings.direct_url)) as changes:
            async for _ in changes:
                await actions.reload_catalog(self._context)
                self._problem = None
