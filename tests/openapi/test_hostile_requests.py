"""Schemathesis, with all its checks, on the merged document through the gateway; `schemathesis.toml` says more."""

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.visitor import Visitor

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def run(url: str, header: str, phases: str, folder: Path, *options: str) -> None:
    """Schemathesis against `url`, where `folder` is for its own files; its report when it finds anything."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", f"{url}/api/schema/",
        "--url", url, "--checks", "all", "--phases", phases, "--workers", "1", "--warnings", "off", "--header", header,
        *options,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


async def test_with_an_account(url: str, tmp_path: Path) -> None:
    async with Visitor(url) as visitor:
        user = await visitor.register()
        await visitor.login(user["email"])
        await asyncio.to_thread(
            run, url, f"Authorization: Bearer {visitor.token}", "examples,coverage,fuzzing,stateful", tmp_path
        )


async def test_with_an_anonymous_session(url: str, tmp_path: Path) -> None:
    async with Visitor(url) as visitor:
        await visitor.write_resume()
        session = httpx.Cookies(visitor.cookies)["sessionid"]
        # A login would end the session, and each request after it would begin another one.
        logins = ("--exclude-operation-id", "login", "--exclude-operation-id", "register")
        await asyncio.to_thread(
            run, url, f"Cookie: sessionid={session}", "examples,fuzzing,stateful", tmp_path, *logins
        )
