"""`python -m cv_common.kernel.server cv_auth.main:app --port 8000`: the one command line of every service.

Asked to stop, a service goes on for a moment and ends each connection with its next answer, so that callers, who keep
connections, are not cut off in the middle of a request by an upgrade.
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
from cv_common.kernel.settings import INVALID_SETTINGS, format_errors
from starlette.types import ASGIApp

_DRAIN_SECONDS = 1.0
"""Seconds between being asked to stop and taking no more connections."""
_SHUTDOWN_SECONDS = 0.25
"""Seconds between that and ending the connections on which nobody has asked anything."""


class Server(uvicorn.Server):
    """uvicorn, leaving politely."""

    _leaving = False

    async def serve(self, sockets: list[socket] | None = None) -> None:
        """Serve until a signal ends it."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's own signature
        """Leave after the farewell; at once when asked a second time, or before there is anybody to part from."""
        if self._leaving or not self.started:
            self._shut_down(sig)
            return
        self._leaving = True
        self._loop.call_soon_threadsafe(self._begin_drain, sig)

    def _begin_drain(self, sig: int) -> None:
        self.config.encoded_headers.append((b"connection", b"close"))
        self.server_state.default_headers.append((b"connection", b"close"))
        self._loop.call_later(_DRAIN_SECONDS, self._stop_listening, sig)

    def _stop_listening(self, sig: int) -> None:
        for listener in self.servers:
            listener.close()
        # Who came in last has still to say what they want.
        self._loop.call_later(_SHUTDOWN_SECONDS, self._shut_down, sig)

    def _shut_down(self, sig: int) -> None:
        """As uvicorn does, without its raising the signal again at the end: the process would die of that before it
        has done what is to be done at exit."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _app(factory: str) -> ASGIApp:
    """The app, or the end of the process with a few plain lines when its settings do not do."""
    module, _, name = factory.partition(":")
    try:
        app: ASGIApp = getattr(import_module(module), name)()
    except INVALID_SETTINGS as error:
        sys.exit(format_errors(error))
    return app


def parse(arguments: Sequence[str]) -> Namespace:
    """The command line; ends the process with its usage when that is wrong."""
    parser = ArgumentParser(
        prog="python -m cv_common.kernel.server", description="Serve one service until a signal ends it."
    )
    parser.add_argument("factory", help="where the function is that makes the app: cv_auth.main:app")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    return parser.parse_args(arguments)


def main() -> None:
    """Serve until a signal ends it."""
    given = parse(sys.argv[1:])
    config = uvicorn.Config(
        partial(_app, given.factory),
        factory=True,
        host=given.host,
        port=given.port,
        loop="uvloop",
        http="httptools",
        timeout_keep_alive=75,  # longer than the gateway keeps its connections, so that none is closed in use
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
