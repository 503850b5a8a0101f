"""Schemathesis runs all its checks on the merged document through the gateway; see `schemathesis.toml`."""

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.visitor import Visitor

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def run(url: str, header: str, phases: str, folder: Path, *options: str) -> None:
    """Run Schemathesis against `url` in `folder`. Fails the test with its report."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", f"{url}/api/schema/",
        "--url", url, "--checks", "all", "--phases", phases, "--workers", "1", "--warnings", "off", "--header", header,
        *options,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


def excluded(*operations: str) -> tuple[str, ...]:
    """Return the options that exclude operations."""
    return tuple(word for operation in operations for word in ("--exclude-operation-id", operation))


@pytest.mark.parametrize(
    ("phases", "options"),
    [
        # `register` would take the name that other tests register, `erase_account` would end the session.
        pytest.param("examples", excluded("register", "erase_account"), id="examples"),
        pytest.param("examples,coverage,fuzzing,stateful", (), id="all", marks=pytest.mark.operations),
    ],
)
async def test_requests_of_an_account(url: str, tmp_path: Path, phases: str, options: tuple[str, ...]) -> None:
    async with Visitor(url) as visitor:
        user = await visitor.register()
        await visitor.login(user["email"])
        await asyncio.to_thread(run, url, f"Authorization: Bearer {visitor.token}", phases, tmp_path, *options)


@pytest.mark.operations
async def test_requests_of_an_anonymous_session(url: str, tmp_path: Path) -> None:
    async with Visitor(url) as visitor:
        await visitor.write_resume()
        session = httpx.Cookies(visitor.cookies)["sessionid"]
        # A login ends the session; each later request would begin a new one.
        logins = excluded("login", "register")
        phases = "examples,fuzzing,stateful"
        await asyncio.to_thread(run, url, f"Cookie: sessionid={session}", phases, tmp_path, *logins)
