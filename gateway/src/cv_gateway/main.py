"""The composition root: settings -> the gateway as one ASGI app, and the life of what it needs."""

import asyncio
import logging
import time
from contextlib import AsyncExitStack

from cv_common.kernel import logs
from cv_common.kernel.errors import ApiError, DetailError
from cv_common.kernel.garbage_collection import freeze_gc

from cv_gateway.answers import Answers
from cv_gateway.bodies import drain
from cv_gateway.errors import MethodNotAllowed
from cv_gateway.identity import AccessTokens, Identities, PublishedKeys, SessionMerger, Sessions
from cv_gateway.limits import Limits
from cv_gateway.openapi import MergedSchema
from cv_gateway.ops import OpsServer, tell
from cv_gateway.origins import Origins
from cv_gateway.pages import Pages
from cv_gateway.proxy import Proxy
from cv_gateway.request import Receive, Request, Scope, Send
from cv_gateway.routing import METHODS, Router, normalised
from cv_gateway.services import Services
from cv_gateway.settings import Settings

log = logging.getLogger(__name__)


def app() -> "Gateway":
    """The gateway, configured from the environment."""
    settings = Settings()
    logs.configure("gateway", settings.log_level)
    return Gateway(settings)


class Gateway:
    """The ASGI app: one request in, one answer out."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._router = Router(settings)
        self._services = Services(settings)
        self._keys = PublishedKeys(self._services)
        self._schema = MergedSchema(settings, self._services, self._router)
        self._pages = Pages(settings, self._schema)
        self._origins = Origins(settings)
        self._answers = Answers(settings, self._origins)
        sessions = Sessions(settings)
        self._identities = Identities(settings, AccessTokens(self._keys), sessions)
        self._merger = SessionMerger(self._services, self._identities)
        self._limits = Limits(settings)
        self._proxy = Proxy(
            settings, self._services, self._identities, sessions, self._answers, self._limits, self._origins
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event of the server: its life, or a request."""
        if scope["type"] == "http":
            await self._serve(Request(scope, receive, send))
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _serve(self, request: Request) -> None:
        started = time.perf_counter()
        logs.request_id.set(request.id)
        status = await self._status(request)
        tell(request, status, time.perf_counter() - started)
        if request.unread:
            await drain(request)
        request.close()

    async def _status(self, request: Request) -> int:
        """Answer, whatever happens; the status is for the record."""
        try:
            return await self._answer(request)
        except ApiError as refusal:
            await self._answers.refuse(request, refusal)
            return refusal.status
        except Exception:
            log.exception("unexpected error")
            await self._answers.refuse(request, DetailError())
            return DetailError.status

    async def _answer(self, request: Request) -> int:
        request.check_head()
        preflight = self._origins.preflight(request)
        if preflight is not None:
            await self._answers.send(request, 204, preflight, b"")
            return 204
        request.path = normalised(request.path)
        page = await self._pages.find(request)
        if page is not None:
            await self._answers.send(request, page.status, page.headers, page.body)
            return page.status
        route = request.route = self._router.find(request.path)
        if request.method not in METHODS:
            raise MethodNotAllowed(request.method, ", ".join(sorted(METHODS - {"TRACE"})))
        await self._limits.check_address(request, route)
        visitor = await self._identities.visitor(request, route)
        await self._limits.check_caller(request, route, visitor.key)
        if visitor.session_id is not None:
            self._origins.check_write(request)
            if route.merges_sessions:
                visitor = await self._merger.merge(request, visitor)
        return await self._proxy.pass_on(request, route, visitor)

    async def _live(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            await receive()
            try:
                await self._start(stack)
            except Exception as error:
                log.exception("could not start")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self, stack: AsyncExitStack) -> None:
        await self._services.open()
        stack.push_async_callback(self._services.close)
        keys = asyncio.create_task(self._keys.keep_fresh())
        stack.callback(keys.cancel)
        if self._settings.ops_port is not None:
            ops = OpsServer(self._settings, self._keys)
            await ops.start()
            stack.push_async_callback(ops.stop)
        freeze_gc()
