"""The frame of every service: health, errors in the contract's shapes, identity, parts started and stopped in order."""

import gc
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp

from cv_common import inbox, logs, openapi
from cv_common.bus import Consumer
from cv_common.db import Database, DatabaseDown
from cv_common.errors import ApiError, Detailed, NotFound, Unavailable
from cv_common.frame import Frame, error_response
from cv_common.identity import Caller, Verifier
from cv_common.metrics import PROBLEM
from cv_common.periodic import Periodic
from cv_common.responses import JSONResponse
from cv_common.settings import ServiceSettings

log = logging.getLogger(__name__)

CLIENT_GONE = 499
"""The status of a request whose client broke off before all of it was read."""

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
        exception_handlers={
            ApiError: _on_api_error,
            HTTPException: _on_http_exception,
            RequestValidationError: _on_bad_parameter,
            ClientDisconnect: _on_client_gone,
            Exception: _on_bug,
            **dict.fromkeys(DatabaseDown, _on_database_down),
        },
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
            _settle_garbage_collector()
            log.info("started", extra={"service": service})
            yield
            log.info("stopping", extra={"service": service})

    return lifespan


def _settle_garbage_collector() -> None:
    """What is loaded by now lives for ever: never walk it again (p99 of a GET falls by a factor of three)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


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


async def _on_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405, in DRF's words; OPTIONS is answered, as DRF does, with what there is."""
    assert isinstance(error, HTTPException)
    if error.status_code != 405:
        details = {404: "Not found."}
        refused = Detailed(details.get(error.status_code, error.detail), error.headers)
        refused.status = error.status_code
        return error_response(refused)
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is Match.PARTIAL]
    allow = {"Allow": _allow({method for route in routes for method in route.methods})}
    if request.method == "OPTIONS":
        return JSONResponse({"name": routes[0].summary or "", "description": "", **_METADATA}, headers=allow)
    refused = Detailed(f'Method "{request.method}" not allowed.', allow)
    refused.status = 405
    return error_response(refused)


_METADATA = {
    "renders": ["application/json"],
    "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
}
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def _allow(methods: Collection[str]) -> str:
    """The `Allow` header as DRF has it: the gateway makes HEAD of GET, and OPTIONS is always answered."""
    possible = {*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}
    return ", ".join(method for method in _METHODS if method in possible)


async def _on_bad_parameter(request: Request, error: Exception) -> Response:
    """A path that does not parse names nothing that exists."""
    return error_response(NotFound())


async def _on_database_down(request: Request, error: Exception) -> Response:
    log.error("database unavailable", extra={"error": type(error).__name__})
    return error_response(Unavailable())


async def _on_client_gone(request: Request, error: Exception) -> Response:
    """Nobody reads this; the status is for the log and the figures."""
    return Response(status_code=CLIENT_GONE)


async def _on_bug(request: Request, error: Exception) -> Response:
    """The frame tells of it: Starlette raises it again after this answer."""
    return error_response(Detailed())
