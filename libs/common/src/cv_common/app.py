"""The app of every service: health, figures, identity, parts started and stopped in order."""

import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from cv_common.drf import openapi
from cv_common.drf.exception_handlers import EXCEPTION_HANDLERS
from cv_common.kernel import logs
from cv_common.kernel.database import Database
from cv_common.kernel.garbage_collection import freeze_gc
from cv_common.kernel.identity import Caller, Verifier
from cv_common.kernel.metrics import PROBLEM
from cv_common.kernel.middleware import RequestContextMiddleware
from cv_common.kernel.periodic import Periodic
from cv_common.kernel.responses import JSONResponse
from cv_common.kernel.settings import ServiceSettings
from cv_common.messaging import inbox
from cv_common.messaging.broker import Consumer

log = logging.getLogger(__name__)

_DAY = 24 * 3600
_PROBE_INTERVAL = 15
"""Seconds between two looks at everybody's health for `/metrics`, which itself waits for nobody."""


class Component(Protocol):
    """Something a service runs beside its routes: a database, a bus, a consumer, a client."""

    name: str

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> str | None:
        """What is wrong with it in one sentence, or None."""


def create_app(
    service: str,
    settings: ServiceSettings,
    routers: Sequence[APIRouter],
    *,
    components: Sequence[Component] = (),
    context: Any = None,
    users_only: Collection[str] = (),
) -> ASGIApp:
    """The service as an ASGI app.

    `parts` start in order and stop in reverse; if events are consumed, the inbox is kept small. `context` is what the
    routes act with, at `request.app.state.context`; `users_only` are paths that answer 401 to anybody who is not logged
    in, whatever the method.
    """
    logs.configure(service, settings.log_level)
    components = [*components, *_inbox_purges(components)]
    components.append(Periodic("figures of health", _PROBE_INTERVAL, partial(_probe, tuple(components))))
    app = FastAPI(
        title=f"CV Builder: {service}",
        lifespan=_lifespan(service, components),
        redirect_slashes=False,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        exception_handlers=EXCEPTION_HANDLERS,
    )
    app.state.context = context
    for router in (_operations_router(components), *routers):
        app.router.routes.extend(router.routes)  # include_router() would match every request twice
    openapi.install(app, users_only)
    return RequestContextMiddleware(app, Verifier(service, settings.identity_public_keys), users_only)


def _inbox_purges(parts: Sequence[Component]) -> list[Component]:
    """What empties the inbox: one, if the service has one."""
    if not any(isinstance(part, Consumer) for part in parts):
        return []
    databases = [part for part in parts if isinstance(part, Database)]
    return [Periodic("purge of the inbox", _DAY, partial(inbox.purge, database)) for database in databases]


def _lifespan(service: str, parts: Sequence[Component]) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for part in parts:
                await part.start()
                stack.push_async_callback(part.stop)
            freeze_gc()
            log.info("started", extra={"service": service})
            yield
            log.info("stopping", extra={"service": service})

    return lifespan


def _operations_router(parts: Sequence[Component]) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> Response:
        """Is all well? 503 names what is not: for alerts, not for restarting."""
        return _health(await _problems(parts))

    @router.get("/readyz")
    async def readyz() -> Response:
        """Can requests be taken? Only a database that does not answer says no."""
        silent = {part.name: await part.ping() for part in parts if isinstance(part, Database)}
        return _health({name: silence for name, silence in silent.items() if silence})

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _problems(parts: Sequence[Component]) -> dict[str, str]:
    found = {part.name: await part.check() for part in parts}
    return {name: problem for name, problem in found.items() if problem}


async def _probe(parts: Sequence[Component]) -> None:
    """Tell whoever watches the figures what `/healthz` would say now."""
    for part in parts:
        PROBLEM.labels(part.name).set(1 if await part.check() else 0)


def _health(problems: dict[str, str]) -> Response:
    body = {"status": "unhealthy" if problems else "ok", "problems": problems}
    return JSONResponse(body, status_code=503 if problems else 200)


async def provide_context(request: Request) -> Any:
    """Dependency: the `context` that the app was created with.

    Each service gives it its type once: `ContextDep = Annotated[Context, Depends(provide_context)]`.
    """
    return request.app.state.context


async def provide_caller(request: Request) -> Caller:
    """Dependency: who sent the request. The middleware has verified the identity token."""
    caller: Caller = request.state.caller
    return caller


CallerDep = Annotated[Caller, Depends(provide_caller)]


def get_context(request: Request) -> Any:
    """What the service's actions act with: the `context` that its app was created with."""
    return request.app.state.context


def get_caller(request: Request) -> Caller:
    """Who asks: put there by the frame before any routing."""
    found: Caller = request.state.caller
    return found
