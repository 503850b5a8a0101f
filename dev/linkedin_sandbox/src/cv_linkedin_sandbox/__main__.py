"""`python -m cv_linkedin_sandbox`: run the sandbox on LINKEDIN_SANDBOX_HOST:LINKEDIN_SANDBOX_PORT."""

import sys

import uvicorn

from cv_linkedin_sandbox.main import create_app
from cv_linkedin_sandbox.settings import Settings


def main() -> None:
    """Run until interrupted. An invalid setting is reported in one line on standard error."""
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        sys.exit(f"linkedin sandbox: {error}")
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
