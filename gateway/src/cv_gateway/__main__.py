"""`python -m cv_gateway`: the command line of the gateway in development, tests and images.

It takes the arguments of granian, such as `--host` and `--port`; they override the defaults below.
"""

import sys

from cv_common.kernel.settings import INVALID_SETTINGS, format_errors
from granian.cli import cli

from cv_gateway.settings import Settings

_FLAGS = (
    "--interface", "asgi", "--factory", "cv_gateway.main:app",
    # One event loop per process; the kernel distributes connections. Measured faster than granian's threads.
    "--workers", "1", "--runtime-mode", "st", "--loop", "uvloop",
    # The services speak HTTP/1.1 and no WebSocket; what is not needed is disabled.
    "--http", "1", "--no-ws",
    # Every connection, idle or not, counts: enough for a burst of webhooks beside the kept-alive browsers.
    "--backlog", "4096", "--backpressure", "8192",
    "--respawn-failed-workers", "--workers-kill-timeout", "35",
    "--log-level", "warning",
)  # fmt: skip


def main() -> None:
    """Serve until a signal. Invalid settings end the process with a message, before granian starts workers."""
    try:
        Settings()
    except INVALID_SETTINGS as error:
        sys.exit(format_errors(error))
    cli([*_FLAGS, *sys.argv[1:]], "cv_gateway")


if __name__ == "__main__":
    main()
