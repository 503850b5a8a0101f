"""`python -m cv_gateway`: the one command line of the gateway, for development, tests and images.

Arguments are granian's own, such as `--host` and `--port`; one that is given here too wins.
"""

import sys

from cv_common.kernel.settings import INVALID_SETTINGS, format_errors
from granian.cli import cli

from cv_gateway.settings import Settings

_FLAGS = (
    "--interface", "asgi", "--factory", "cv_gateway.main:app",
    # One event loop a process, and the kernel between processes: measured faster than granian's threads.
    "--workers", "1", "--runtime-mode", "st", "--loop", "uvloop",
    # The proxy speaks HTTP/1.1 to the services, and nothing here is a web socket: less to attack.
    "--http", "1", "--no-ws",
    # A connection, idle or not, holds one place: a burst of webhooks and everybody's kept-alive browsers fit.
    "--backlog", "4096", "--backpressure", "8192",
    "--respawn-failed-workers", "--workers-kill-timeout", "35",
    "--log-level", "warning",
)  # fmt: skip


def main() -> None:
    """Serve until a signal ends it; with settings that do not do, say so once instead of starting workers again."""
    try:
        Settings()
    except INVALID_SETTINGS as error:
        sys.exit(format_errors(error))
    cli([*_FLAGS, *sys.argv[1:]], "cv_gateway")


if __name__ == "__main__":
    main()
