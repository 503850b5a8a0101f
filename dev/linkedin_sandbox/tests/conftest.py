"""Fixtures: the sandbox as a separate process."""

import sys
from collections.abc import Iterator

import httpx
import pytest
from cv_testing.ports import free_port
from cv_testing.supervisor import Program, responds, running

TOKEN = "the-source's-token"


@pytest.fixture(scope="session")
def source() -> Iterator[httpx.Client]:
    """Yield a client that sends the token."""
    port = free_port()
    program = Program(
        "linkedin",
        [sys.executable, "-m", "cv_linkedin_sandbox"],
        {"LINKEDIN_SANDBOX_PORT": str(port), "LINKEDIN_SANDBOX_TOKEN": TOKEN},
        lambda: responds(f"http://127.0.0.1:{port}/healthz"),
    )
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with running(program), httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        yield client
