"""The ASGI frame around every service: request id, identity, one log line and one measurement a request."""

import logging
import re
import time
from collections.abc import Collection
from secrets import token_hex

from cv_common.kernel.errors import ApiError, NotAuthenticated, NotFound
from cv_common.kernel.identity import IDENTITY_HEADER, REQUEST_ID_HEADER, InvalidIdentity, Verifier
from cv_common.kernel.logs import request_id
from cv_common.kernel.metrics import observe_request
from cv_common.kernel.responses import JSONResponse
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("cv_common.access")

OPEN_PREFIXES = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/media/", "/.well-known/")
"""Paths that need no identity: health, figures, descriptions, public keys, and files behind unguessable names."""
_UNLOGGED_PREFIXES = ("/healthz", "/readyz", "/metrics")
_INTERNAL = "/internal/"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{8,64}")
_IDENTITY_KEY = IDENTITY_HEADER.lower().encode()
_REQUEST_ID_KEY = REQUEST_ID_HEADER.lower().encode()


class RequestContextMiddleware:
    """Wraps the web app. Puts the verified `Caller` at `request.state.caller`, before any routing.

    `users_only` are paths that need a logged-in user: without one the answer is 401 whatever the method.
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
        status, answered = 500, False

        async def watch(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            answered = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            refusal = self._authenticate(scope, headers.get(_IDENTITY_KEY))
            await (refusal or self._app)(scope, receive, watch)
        except Exception as bug:
            log.error("unexpected error", exc_info=bug)
            if not answered:  # else the connection is as good as before: the server would close it
                raise
        finally:
            self._log(scope, status, time.perf_counter() - started)
            request_id.reset(token)

    def _authenticate(self, scope: Scope, identity: bytes | None) -> Response | None:
        """Remember who calls, or the answer that refuses them."""
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

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        pattern = str(getattr(route, "path_format", None) or getattr(route, "path", "unmatched"))
        observe_request(scope["method"], pattern, status, seconds)
        if not scope["path"].startswith(_UNLOGGED_PREFIXES):
            log.info(
                "request",
                extra={"method": scope["method"], "route": pattern, "status": status, "ms": round(seconds * 1000, 1)},
            )


def error_response(error: ApiError) -> Response:
    """The answer an error asks for."""
    return JSONResponse(error.body, status_code=error.status, headers=error.headers)
