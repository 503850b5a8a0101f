"""The app of every service: health, figures, identity, parts started and stopped in order."""

import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from cv_common import inbox, logs, openapi
from cv_common.bus import Consumer
from cv_common.db import Database
from cv_common.frame import Frame
from cv_common.garbage import settle_garbage_collector
from cv_common.handlers import HANDLERS
from cv_common.identity import Caller, Verifier
from cv_common.metrics import PROBLEM
from cv_common.periodic import Periodic
from cv_common.responses import JSONResponse
from cv_common.settings import ServiceSettings

log = logging.getLogger(__name__)

_DAY = 24 * 3600
_FIGURES_EVERY = 15
"""Seconds between two looks at everybody's health for `/metrics`, which itself waits for nobody."""


class Part(Protocol):
    """Something a service runs beside its routes: a database, a bus, a consumer, a client."""

    name: str

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def problem(self) -> str | None:
        """What is wrong with it in one sentence, or None."""


def create_app(
    service: str,
    settings: ServiceSettings,
    routers: Sequence[APIRouter],
    *,
    parts: Sequence[Part] = (),
    context: Any = None,
    users_only: Collection[str] = (),
) -> ASGIApp:
    """The service as an ASGI app.

    `parts` start in order and stop in reverse; if events are consumed, the inbox is kept small. `context` is what the
    routes act with, at `request.app.state.context`; `users_only` are paths that answer 401 to anybody who is not logged
    in, whatever the method.
    """
    logs.configure(service, settings.log_level)
    parts = [*parts, *_inbox_purges(parts)]
    parts.append(Periodic("figures of health", _FIGURES_EVERY, partial(_measure, tuple(parts))))
    app = FastAPI(
        title=f"CV Builder: {service}",
        lifespan=_lifespan(service, parts),
        redirect_slashes=False,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        exception_handlers=HANDLERS,
    )
    app.state.context = context
    for router in (_operations_router(parts), *routers):
        app.router.routes.extend(router.routes)  # include_router() would match every request twice
    openapi.install(app, users_only)
    return Frame(app, Verifier(service, settings.identity_public_keys), users_only)


def _inbox_purges(parts: Sequence[Part]) -> list[Part]:
    """What empties the inbox: one, if the service has one."""
    if not any(isinstance(part, Consumer) for part in parts):
        return []
    databases = [part for part in parts if isinstance(part, Database)]
    return [Periodic("purge of the inbox", _DAY, partial(inbox.forget_old, database)) for database in databases]


def _lifespan(service: str, parts: Sequence[Part]) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for part in parts:
                await part.start()
                stack.push_async_callback(part.stop)
            settle_garbage_collector()
            log.info("started", extra={"service": service})
            yield
            log.info("stopping", extra={"service": service})

    return lifespan


def _operations_router(parts: Sequence[Part]) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> Response:
        """Is all well? 503 names what is not: for alerts, not for restarting."""
        return _health(await _problems(parts))

    @router.get("/readyz")
    async def readyz() -> Response:
        """Can requests be taken? Only a database that does not answer says no."""
        silent = {part.name: await part.silence() for part in parts if isinstance(part, Database)}
        return _health({name: silence for name, silence in silent.items() if silence})

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _problems(parts: Sequence[Part]) -> dict[str, str]:
    found = {part.name: await part.problem() for part in parts}
    return {name: problem for name, problem in found.items() if problem}


async def _measure(parts: Sequence[Part]) -> None:
    """Tell whoever watches the figures what `/healthz` would say now."""
    for part in parts:
        PROBLEM.labels(part.name).set(1 if await part.problem() else 0)


def _health(problems: dict[str, str]) -> Response:
    body = {"status": "unhealthy" if problems else "ok", "problems": problems}
    return JSONResponse(body, status_code=503 if problems else 200)


def context_of(request: Request) -> Any:
    """What the service's actions act with: the `context` that its app was created with."""
    return request.app.state.context


def caller(request: Request) -> Caller:
    """Who asks: put there by the frame before any routing."""
    found: Caller = request.state.caller
    return found
