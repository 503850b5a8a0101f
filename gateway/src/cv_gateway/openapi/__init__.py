"""The OpenAPI document of the public API, merged from the documents of the services."""

import asyncio
import logging
import time

import orjson
from cv_common.kernel.errors import NotFound

from cv_gateway.openapi.merge import Json, merge
from cv_gateway.routing import Router, Service
from cv_gateway.settings import Settings
from cv_gateway.upstream_client import FetchError, UpstreamClient

_MAX_AGE = 60
"""Seconds until the documents are fetched again."""
_INCOMPLETE_MAX_AGE = 2
"""The same while the document of a service has never been fetched."""

log = logging.getLogger(__name__)


class MergedSchema:
    """The document at `/api/schema/`. It contains the last fetched document of a service that is unavailable."""

    def __init__(self, settings: Settings, client: UpstreamClient, router: Router) -> None:
        self._base_url = settings.public_base_url
        self._client = client
        self._router = router
        self._fetched: dict[str, Json] = {}
        self._document = b""
        self._stale_at = float("-inf")
        self._refresh_task: asyncio.Task[None] | None = None

    async def document(self) -> bytes:
        """Return the merged document as JSON. Waits for the services only until there is a first document."""
        if time.monotonic() >= self._stale_at and self._refresh_task is None:
            self._refresh_task = asyncio.create_task(self._refresh())
            self._refresh_task.add_done_callback(self._end_refresh)
        if self._refresh_task is not None and not self._document:
            await asyncio.shield(self._refresh_task)
        return self._document

    async def _refresh(self) -> None:
        services = self._router.services
        await asyncio.gather(*(self._fetch(service) for service in services))
        known = [service for service in services if service.name in self._fetched]
        public = {service.name: self._public_part(service, self._fetched[service.name]) for service in known}
        self._document = orjson.dumps(merge(public, {each.name: each.description for each in known}, self._base_url))
        self._stale_at = time.monotonic() + (_MAX_AGE if len(known) == len(services) else _INCOMPLETE_MAX_AGE)

    def _end_refresh(self, task: asyncio.Task[None]) -> None:
        self._refresh_task = None
        if not task.cancelled() and task.exception():
            log.error("merging the OpenAPI documents failed", exc_info=task.exception())

    async def _fetch(self, service: Service) -> None:
        try:
            self._fetched[service.name] = await self._client.fetch_json(service, "/openapi.json")
        except FetchError as error:
            log.warning("fetching an OpenAPI document failed", extra={"reason": str(error)})

    def _public_part(self, service: Service, document: Json) -> Json:
        """Return the document without the paths that the gateway does not route to the service."""
        paths = {path: item for path, item in document.get("paths", {}).items() if self._is_routed(service, path)}
        return {**document, "paths": paths}

    def _is_routed(self, service: Service, path: str) -> bool:
        try:
            return self._router.find(path).service == service
        except NotFound:
            return False
