"""What operators see: one log line and one measurement a request, and the unpublished port with the figures."""

import logging

from aiohttp import web
from cv_common.kernel.metrics import observe_request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cv_gateway.identity import PublishedKeys
from cv_gateway.request import Request
from cv_gateway.routing import METHODS
from cv_gateway.settings import Settings

access = logging.getLogger("cv_gateway.access")


def tell(request: Request, status: int, seconds: float) -> None:
    """Log and count one answered request.

    No query, no address, and no path that names somebody's file; a path that led nowhere is not repeated either.
    """
    route = request.route
    label = route.prefix if route else "unmatched"
    observe_request(request.method if request.method in METHODS else "other", label, status, seconds)
    if access.isEnabledFor(logging.INFO):
        path = request.path if route and not route.private else label
        access.info(
            "request",
            extra={"method": request.method, "path": path, "status": status, "ms": round(seconds * 1000, 1)},
        )


class OpsServer:
    """Serves `/metrics` and `/readyz` on a port that is not published."""

    def __init__(self, settings: Settings, keys: PublishedKeys) -> None:
        self._host, self._port = settings.ops_host, settings.ops_port
        self._keys = keys
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Listen."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _readyz(self, _: web.Request) -> web.Response:
        """Can requests be taken? A gateway that never saw auth's keys would refuse every logged-in user."""
        if self._keys.known:
            return web.json_response({"status": "ok", "problems": {}})
        problems = {"keys": "the keys of access tokens could not be fetched from auth yet"}
        return web.json_response({"status": "unhealthy", "problems": problems}, status=503)
