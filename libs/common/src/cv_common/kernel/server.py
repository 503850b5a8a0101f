"""The command line that serves a service: `python -m cv_common.kernel.server cv_auth.main:app --port 8000`.

After SIGTERM or SIGINT the server drains: for a second it still accepts connections and closes each one with its next
response. So an upgrade does not interrupt a request on a persistent connection.
"""

import asyncio
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from socket import socket
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from cv_common.kernel.settings import INVALID_SETTINGS, format_errors

_DRAIN_SECONDS = 1.0
"""Seconds between the signal and closing the listening sockets."""
_SHUTDOWN_SECONDS = 0.25
"""Seconds between that and closing the idle connections."""


class Server(uvicorn.Server):
    """A uvicorn server that drains before it shuts down."""

    _is_draining = False

    async def serve(self, sockets: list[socket] | None = None) -> None:
        """Serve until a signal ends it."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Shut down after draining, or at once on a second signal and before startup has finished."""
        if self._is_draining or not self.started:
            self._shut_down(sig)
            return
        self._is_draining = True
        self._loop.call_soon_threadsafe(self._begin_drain, sig)

    def _begin_drain(self, sig: int) -> None:
        self.config.encoded_headers.append((b"connection", b"close"))
        self.server_state.default_headers.append((b"connection", b"close"))
        self._loop.call_later(_DRAIN_SECONDS, self._stop_listening, sig)

    def _stop_listening(self, sig: int) -> None:
        for listener in self.servers:
            listener.close()
        # Connections that were accepted last have not sent their request yet.
        self._loop.call_later(_SHUTDOWN_SECONDS, self._shut_down, sig)

    def _shut_down(self, sig: int) -> None:
        """Shut down as uvicorn does, but do not raise the signal again, which would skip atexit functions."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _load_app(factory: str) -> ASGIApp:
    """Return the app. Exits with a line for each invalid setting."""
    module, _, name = factory.partition(":")
    try:
        app: ASGIApp = getattr(import_module(module), name)()
    except INVALID_SETTINGS as error:
        sys.exit(format_errors(error))
    return app


def parse(arguments: Sequence[str]) -> Namespace:
    """Parse the command line. Exits with the usage if it is invalid."""
    parser = ArgumentParser(
        prog="python -m cv_common.kernel.server", description="Serve one service until a signal ends it."
    )
    parser.add_argument("factory", help="function that returns the app, such as cv_auth.main:app")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    return parser.parse_args(arguments)


def main() -> None:
    """Serve until a signal ends it."""
    options = parse(sys.argv[1:])
    config = uvicorn.Config(
        partial(_load_app, options.factory),
        factory=True,
        host=options.host,
        port=options.port,
        loop="uvloop",
        http="httptools",
        timeout_keep_alive=75,  # longer than the gateway keeps idle connections, so that the gateway closes them
        timeout_graceful_shutdown=30,
        access_log=False,
        server_header=False,
    )
    server = Server(config)
    server.run()
    if not server.started:
        sys.exit(3)


if __name__ == "__main__":
    main()
