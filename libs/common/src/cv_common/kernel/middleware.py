"""The ASGI middleware around every service: request id, caller, metrics, and a log line for failed and slow requests.

The gateway writes the access log, one line for each request.
"""

import logging
import re
import time
from collections.abc import Collection
from secrets import token_hex

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cv_common.kernel.errors import ApiError, NotAuthenticated, NotFound
from cv_common.kernel.identity import IDENTITY_HEADER, REQUEST_ID_HEADER, InvalidIdentity, Verifier
from cv_common.kernel.logs import request_id
from cv_common.kernel.metrics import observe_request
from cv_common.kernel.responses import JSONResponse

log = logging.getLogger("cv_common.access")

SLOW_SECONDS = 1.0
"""A request that takes longer is logged, and so is every request answered with a status of 500 or above."""
OPEN_PREFIXES = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/media/", "/.well-known/")
"""Paths that need no identity: health, metrics, the OpenAPI document, public keys, and files with unguessable names."""
_UNLOGGED_PREFIXES = ("/healthz", "/readyz", "/metrics")
_INTERNAL = "/internal/"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{8,64}")
_IDENTITY_KEY = IDENTITY_HEADER.lower().encode()
_REQUEST_ID_KEY = REQUEST_ID_HEADER.lower().encode()


class RequestContextMiddleware:
    """The wrapper of the web app. Verifies the identity token before routing and stores `request.state.caller`.

    `users_only` are paths that need a logged-in user: without one the answer is 401, whatever the method.
    """

    def __init__(self, app: ASGIApp, verifier: Verifier, users_only: Collection[str] = ()) -> None:
        self._app = app
        self._verifier = verifier
        self._users_only = frozenset(users_only)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(_REQUEST_ID_KEY, b"")
        token = request_id.set(given.decode() if _REQUEST_ID.fullmatch(given) else token_hex(8))
        started = time.perf_counter()
        status, is_complete = 500, False

        async def send_and_watch(message: Message) -> None:
            nonlocal status, is_complete
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            refusal = self._authenticate(scope, headers.get(_IDENTITY_KEY))
            await (refusal or self._app)(scope, receive, send_and_watch)
        except Exception as bug:
            log.error("unexpected error", exc_info=bug)
            if not is_complete:  # after a complete response the connection is fine; raising would close it
                raise
        finally:
            self._record(scope, status, time.perf_counter() - started)
            request_id.reset(token)

    def _authenticate(self, scope: Scope, identity: bytes | None) -> Response | None:
        """Store the caller in `scope`, or return the response that refuses the request."""
        path: str = scope["path"]
        if path.startswith(OPEN_PREFIXES):
            return None
        try:
            caller = self._verifier.verify(identity.decode("latin-1") if identity else None)
        except InvalidIdentity:
            return error_response(NotAuthenticated())
        if caller.is_service != path.startswith(_INTERNAL):
            return error_response(NotFound())
        if caller.user_id is None and path in self._users_only:
            return error_response(NotAuthenticated())
        scope.setdefault("state", {})["caller"] = caller
        return None

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        """Count the request, and log it if it failed or was slow."""
        route = scope.get("route")
        pattern = str(getattr(route, "path_format", None) or getattr(route, "path", "unmatched"))
        observe_request(scope["method"], pattern, status, seconds)
        if (status >= 500 or seconds > SLOW_SECONDS) and not scope["path"].startswith(_UNLOGGED_PREFIXES):
            log.log(
                logging.WARNING if status >= 500 else logging.INFO,
                "request",
                extra={"method": scope["method"], "route": pattern, "status": status, "ms": round(seconds * 1000, 1)},
            )


def error_response(error: ApiError) -> Response:
    """Return the response with the status, body and headers of `error`."""
    return JSONResponse(error.body, status_code=error.status, headers=error.headers)
