"""What is answered when something is raised: errors in the contract's shapes."""

import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from cv_common.kernel.database import DATABASE_UNAVAILABLE
from cv_common.kernel.errors import ApiError, DetailError, NotFound, ServiceUnavailable
from cv_common.kernel.middleware import error_response
from cv_common.kernel.responses import JSONResponse
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

log = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
"""The status of a request whose client broke off before all of it was read."""


async def _on_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405, in DRF's words; OPTIONS is answered, as DRF does, with what there is."""
    assert isinstance(error, HTTPException)
    if error.status_code != 405:
        details = {404: "Not found."}
        refused = DetailError(details.get(error.status_code, error.detail), error.headers)
        refused.status = error.status_code
        return error_response(refused)
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is Match.PARTIAL]
    allow = {"Allow": _allow({method for route in routes for method in route.methods})}
    if request.method == "OPTIONS":
        return JSONResponse({"name": routes[0].summary or "", "description": "", **_METADATA}, headers=allow)
    refused = DetailError(f'Method "{request.method}" not allowed.', allow)
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
    return error_response(ServiceUnavailable())


async def _on_client_gone(request: Request, error: Exception) -> Response:
    """Nobody reads this; the status is for the log and the figures."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _on_bug(request: Request, error: Exception) -> Response:
    """The frame tells of it: Starlette raises it again after this answer."""
    return error_response(DetailError())


EXCEPTION_HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    ApiError: _on_api_error,
    HTTPException: _on_http_exception,
    RequestValidationError: _on_bad_parameter,
    ClientDisconnect: _on_client_gone,
    Exception: _on_bug,
    **dict.fromkeys(DATABASE_UNAVAILABLE, _on_database_down),
}
"""By what was raised. What belongs to a class of errors has the handler of the nearest one above it."""
