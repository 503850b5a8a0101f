"""`python -m cv_stripe_sandbox`: run the sandbox on SANDBOX_HOST:SANDBOX_PORT."""

import logging
import sys

import uvicorn

from cv_stripe_sandbox.main import create_app
from cv_stripe_sandbox.settings import Settings


def main() -> None:
    """Run until interrupted. An invalid setting is reported in one line on standard error."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        sys.exit(f"stripe sandbox: {error}")
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,  # longer than clients keep a connection, so that none is closed while a request arrives
        log_level="warning",
    )


if __name__ == "__main__":
    main()
