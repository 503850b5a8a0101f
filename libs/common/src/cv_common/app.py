"""The app of a service: its components started and stopped in order, health, metrics, identity and error responses.

def app() -> ASGIApp:
    settings = Settings()
    database = Database(settings.database_url)
    return create_app("notes", settings, [routes.router], components=[database], context=Context(database))
"""

import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
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
from cv_common.messaging.consumer import Consumer

log = logging.getLogger(__name__)

_DAY = 24 * 3600
_PROBE_INTERVAL = 15
"""Seconds between two health checks for `/metrics`, which serves their cached results."""


class Component(Protocol):
    """Something that runs while the service does: a database, a broker, a consumer, a client."""

    name: str

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> str | None:
        """Return what is wrong, in one sentence, or None."""


def create_app(
    service: str,
    settings: ServiceSettings,
    routers: Sequence[APIRouter],
    *,
    components: Sequence[Component] = (),
    context: object = None,
    users_only: Collection[str] = (),
) -> ASGIApp:
    """Return the service as an ASGI app.

    `components` start in this order and stop in reverse. Routes get `context` through `provide_context`. The paths in
    `users_only` need a logged-in user: without one the answer is 401, whatever the method. A service with a Consumer
    also deletes old rows of its inbox.
    """
    logs.configure(service, settings.log_level)
    components = [*components, *_inbox_purges(components)]
    components.append(Periodic("health metrics", _PROBE_INTERVAL, partial(_probe, tuple(components))))
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


def _inbox_purges(components: Sequence[Component]) -> list[Component]:
    """Return the component that deletes old rows of the inbox, if the service consumes events."""
    if not any(isinstance(component, Consumer) for component in components):
        return []
    databases = [component for component in components if isinstance(component, Database)]
    return [Periodic("purge of the inbox", _DAY, partial(inbox.purge, database)) for database in databases]


def _lifespan(service: str, components: Sequence[Component]) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for component in components:
                await component.start()
                stack.push_async_callback(component.stop)
            freeze_gc()
            log.info("started", extra={"service": service})
            yield
            log.info("stopping", extra={"service": service})

    return lifespan


def _operations_router(components: Sequence[Component]) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> Response:
        """Return the problems of all components, with 503 if there are any. For alerts, not for restarts."""
        return _health(await _problems(components))

    @router.get("/readyz")
    async def readyz() -> Response:
        """Return 503 if the database does not answer: without it no request can be served."""
        pings = {each.name: await each.ping() for each in components if isinstance(each, Database)}
        return _health({name: problem for name, problem in pings.items() if problem})

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _problems(components: Sequence[Component]) -> dict[str, str]:
    checks = {component.name: await component.check() for component in components}
    return {name: problem for name, problem in checks.items() if problem}


async def _probe(components: Sequence[Component]) -> None:
    """Update the metrics with the health of each component."""
    for component in components:
        PROBLEM.labels(component.name).set(1 if await component.check() else 0)


def _health(problems: dict[str, str]) -> Response:
    body = {"status": "unhealthy" if problems else "ok", "problems": problems}
    return JSONResponse(body, status_code=503 if problems else 200)


async def provide_context(request: Request) -> Any:
    """Provide the `context` that the app was created with.

    Each service gives it its type once: `ContextDep = Annotated[Context, Depends(provide_context)]`.
    """
    return request.app.state.context


async def provide_caller(request: Request) -> Caller:
    """Provide the sender of the request. The middleware has verified the identity token."""
    caller: Caller = request.state.caller
    return caller


CallerDep = Annotated[Caller, Depends(provide_caller)]
