"""`python -m cv_common.serve cv_auth.main:app`: the one command line of every service.

Arguments are uvicorn's own, such as `--host` and `--port`; one that is given here too wins.
"""

import sys

import uvicorn

_FLAGS = (
    "--factory", "--loop", "uvloop", "--http", "httptools",
    # Longer than the gateway keeps its connections, so that none is closed while a request is on its way.
    "--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "10",
    "--no-access-log", "--no-server-header",
)  # fmt: skip


def main() -> None:
    """Serve until a signal ends it."""
    uvicorn.main([*_FLAGS, *sys.argv[1:]])


if __name__ == "__main__":
    main()
