"""Operations: the access log, the request metrics, and the unpublished port of `/metrics` and `/readyz`."""

import logging
import re

from aiohttp import web
from cv_common.kernel.metrics import observe_request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cv_gateway.identity import JwksClient
from cv_gateway.request import Request
from cv_gateway.routing import METHODS
from cv_gateway.settings import Settings

_VARIABLE_SEGMENT = re.compile(r"(?<=/)[^/]*[^a-z._/-][^/]*")
"""A path segment with a character that no endpoint has in its name, such as an id."""

access_log = logging.getLogger("cv_gateway.access")


def log_access(request: Request, status: int, seconds: float) -> None:
    """Log and count one request.

    The line contains no personal data: no query, no address, no id, and no path of a private file.
    """
    route = request.route
    label = route.prefix if route else "unmatched"
    observe_request(request.method if request.method in METHODS else "other", label, status, seconds)
    if access_log.isEnabledFor(logging.INFO):
        path = _VARIABLE_SEGMENT.sub("{id}", request.path) if route and not route.has_secret_path else label
        access_log.info(
            "request",
            extra={"method": request.method, "path": path, "status": status, "ms": round(seconds * 1000, 1)},
        )


class OpsServer:
    """Serves `/metrics` and `/readyz` on the unpublished port."""

    def __init__(self, settings: Settings, jwks: JwksClient) -> None:
        self._host, self._port = settings.ops_host, settings.ops_port
        self._jwks = jwks
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _readyz(self, _: web.Request) -> web.Response:
        """Answer 200 once auth's keys are known: without them the gateway would reject every access token."""
        if self._jwks.has_keys:
            return web.json_response({"status": "ok", "problems": {}})
        problems = {"keys": "the keys of access tokens could not be fetched from auth yet"}
        return web.json_response({"status": "unhealthy", "problems": problems}, status=503)
