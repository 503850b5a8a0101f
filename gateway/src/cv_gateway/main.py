"""Composition root: builds the gateway as one ASGI app from its settings, and starts and stops its components."""

import asyncio
import logging
import time
from contextlib import AsyncExitStack

from cv_common.kernel import logs
from cv_common.kernel.errors import ApiError, DetailError
from cv_common.kernel.garbage_collection import freeze_gc
from starlette.types import Receive, Scope, Send

from cv_gateway.errors import MethodNotAllowed
from cv_gateway.identity import AccessTokens, Authenticator, JwksClient, SessionMerger
from cv_gateway.openapi import MergedSchema
from cv_gateway.ops import OpsServer, log_access
from cv_gateway.origins import OriginPolicy
from cv_gateway.pages import Pages
from cv_gateway.proxy import Proxy
from cv_gateway.rate_limits import RateLimiter
from cv_gateway.request import Request
from cv_gateway.request_body import drain
from cv_gateway.responses import ResponseWriter
from cv_gateway.routing import METHODS, Router, normalize_path
from cv_gateway.settings import Settings
from cv_gateway.upstream_client import UpstreamClient

log = logging.getLogger(__name__)


def app() -> "Gateway":
    """Return the gateway, configured from the environment."""
    settings = Settings()
    logs.configure("gateway", settings.log_level)
    return Gateway(settings)


class Gateway:
    """The ASGI app."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._router = Router(settings)
        self._client = UpstreamClient(settings.connect_timeout)
        self._jwks = JwksClient(self._client, self._router.auth)
        self._pages = Pages(settings, MergedSchema(settings, self._client, self._router))
        self._origins = OriginPolicy(settings)
        self._responses = ResponseWriter(settings)
        self._authenticator = Authenticator(settings, AccessTokens(self._jwks))
        self._merger = SessionMerger(self._client, self._router.auth, self._authenticator)
        self._rate_limiter = RateLimiter(settings)
        self._proxy = Proxy(settings, self._client, self._authenticator, self._rate_limiter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection: a request or the lifespan."""
        if scope["type"] == "http":
            await self._handle(Request(scope, receive, send, self._settings.trusted_proxies))
        elif scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)

    async def _handle(self, request: Request) -> None:
        started = time.perf_counter()
        logs.request_id.set(request.id)
        status = await self._respond(request)
        log_access(request, status, time.perf_counter() - started)
        if request.has_unread_body:
            await drain(request)
        request.close()

    async def _respond(self, request: Request) -> int:
        """Send a response or an error; returns the status."""
        try:
            return await self._route(request)
        except ApiError as error:
            await self._responses.send_error(request, error)
            return error.status
        except Exception:
            log.exception("unexpected error")
            await self._responses.send_error(request, DetailError())
            return DetailError.status

    async def _route(self, request: Request) -> int:
        request.check_head()
        preflight = self._origins.preflight_headers(request)
        if preflight is not None:
            await self._responses.send(request, 204, preflight, b"")
            return 204
        request.path = normalize_path(request.path)
        page = await self._pages.find(request)
        if page is not None:
            await self._responses.send(request, page.status, page.headers, page.body)
            return page.status
        route = request.route = self._router.find(request.path)
        if request.method not in METHODS:
            raise MethodNotAllowed(request.method, ", ".join(sorted(METHODS - {"TRACE"})))
        await self._rate_limiter.check(request, route, "address", request.client_network)
        principal = await self._authenticator.authenticate(request, route)
        if (caller := principal.key) is not None:
            await self._rate_limiter.check(request, route, "caller", caller)
        if principal.session_id is not None:
            self._origins.check_write(request)
            if route.merges_sessions:
                principal = await self._merger.merge(request, principal)
        return await self._proxy.forward(request, route, principal)

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            await receive()
            try:
                await self._start(stack)
            except Exception as error:
                log.exception("startup failed")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self, stack: AsyncExitStack) -> None:
        await self._client.open()
        stack.push_async_callback(self._client.close)
        refresh = asyncio.create_task(self._jwks.refresh_periodically())
        stack.callback(refresh.cancel)
        if self._settings.ops_port is not None:
            ops = OpsServer(self._settings, self._jwks)
            await ops.start()
            stack.push_async_callback(ops.stop)
        freeze_gc()
