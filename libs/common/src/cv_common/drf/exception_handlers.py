"""Exception handlers that return errors with the contract's bodies."""

import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from cv_common.kernel.database import DATABASE_UNAVAILABLE
from cv_common.kernel.errors import ApiError, DetailError, NotFound, ServiceUnavailable, ValidationFailed
from cv_common.kernel.middleware import error_response
from cv_common.kernel.responses import JSONResponse

log = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
"""The status, in metrics, of a request whose client disconnected before all of it was read."""


async def _on_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Return Starlette's 404 and 405 with DRF's messages, and answer OPTIONS as DRF does."""
    assert isinstance(error, HTTPException)
    if error.status_code != 405:
        if error.status_code == 404:
            return error_response(NotFound())
        return JSONResponse({"detail": error.detail}, status_code=error.status_code, headers=error.headers)
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is Match.PARTIAL]
    allow = {"Allow": _allow({method for route in routes for method in route.methods})}
    if request.method == "OPTIONS":
        return JSONResponse({"name": routes[0].summary or "", "description": "", **_METADATA}, headers=allow)
    return JSONResponse({"detail": f'Method "{request.method}" not allowed.'}, status_code=405, headers=allow)


_METADATA = {
    "renders": ["application/json"],
    "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
}
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def _allow(methods: Collection[str]) -> str:
    """Return the `Allow` header as DRF has it. The gateway answers HEAD by a GET; OPTIONS is always allowed."""
    allowed = {*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}
    return ", ".join(method for method in _METHODS if method in allowed)


async def _on_invalid_parameter(request: Request, error: RequestValidationError) -> Response:
    """Return 404 for an invalid parameter of the path, which names nothing, and 400 for another invalid one."""
    messages: dict[str, list[str]] = {}
    for each in error.errors():
        place, name = each["loc"][:2]
        if place == "path":
            return error_response(NotFound())
        message = "This field is required." if each["type"] == "missing" else f"{each['msg']}."
        messages.setdefault(str(name), []).append(message)
    return error_response(ValidationFailed(messages))


async def _on_database_unavailable(request: Request, error: Exception) -> Response:
    log.error("database unavailable", extra={"error": type(error).__name__})
    return error_response(ServiceUnavailable())


async def _on_client_disconnect(request: Request, error: Exception) -> Response:
    """Return the status for the metrics. The client has gone."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _on_bug(request: Request, error: Exception) -> Response:
    """Return 500. Starlette raises the exception again afterwards, and the middleware logs it."""
    return error_response(DetailError())


EXCEPTION_HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    ApiError: _on_api_error,
    HTTPException: _on_http_exception,
    RequestValidationError: _on_invalid_parameter,
    ClientDisconnect: _on_client_disconnect,
    Exception: _on_bug,
    **dict.fromkeys(DATABASE_UNAVAILABLE, _on_database_unavailable),
}
"""Handlers by exception class. A subclass uses the handler of its nearest base class."""
