"""One OpenAPI document of the public API, merged from the services' own."""

import asyncio
import logging
import time

import orjson
from cv_common.kernel.errors import NotFound

from cv_gateway.openapi.merge import Json, merge
from cv_gateway.routing import Router
from cv_gateway.services import Services, Unanswered
from cv_gateway.settings import Settings

_FRESH_FOR = 60
"""Seconds before the services are asked again."""
_INCOMPLETE_FOR = 2
"""The same, while the schema of a service that was down is missing altogether."""

log = logging.getLogger(__name__)


class MergedSchema:
    """The document at `/api/schema/`. A service that is down is in it as it was when it last answered."""

    def __init__(self, settings: Settings, services: Services, router: Router) -> None:
        self._base_url = settings.public_base_url
        self._services = services
        self._router = router
        self._last_good: dict[str, Json] = {}
        self._document = b""
        self._stale_at = float("-inf")
        self._merging: asyncio.Task[None] | None = None

    async def document(self) -> bytes:
        """The merged document as JSON. Only the first caller waits for the services; others get the last one."""
        if time.monotonic() >= self._stale_at and self._merging is None:
            self._merging = asyncio.create_task(self._merge())
            self._merging.add_done_callback(self._merged)
        if self._merging is not None and not self._document:
            await asyncio.shield(self._merging)
        return self._document

    async def _merge(self) -> None:
        await asyncio.gather(*(self._fetch(service) for service in self._services.origins))
        known = [service for service in self._services.origins if service in self._last_good]
        public = {service: self._public(service, self._last_good[service]) for service in known}
        self._document = orjson.dumps(merge(public, self._base_url))
        complete = len(self._last_good) == len(self._services.origins)
        self._stale_at = time.monotonic() + (_FRESH_FOR if complete else _INCOMPLETE_FOR)

    def _merged(self, task: asyncio.Task[None]) -> None:
        self._merging = None
        if not task.cancelled() and task.exception():
            log.error("the schemas could not be merged", exc_info=task.exception())

    async def _fetch(self, service: str) -> None:
        try:
            schema = await self._services.ask_json(service, "/openapi.json")
        except Unanswered as error:
            log.warning("a schema could not be fetched", extra={"reason": str(error)})
            return
        self._last_good[service] = schema

    def _public(self, service: str, schema: Json) -> Json:
        """A service's schema without the paths that the gateway does not route to it."""
        paths = {path: item for path, item in schema.get("paths", {}).items() if self._routed(service, path)}
        return {**schema, "paths": paths}

    def _routed(self, service: str, path: str) -> bool:
        try:
            return self._router.find(path).service == service
        except NotFound:
            return False
