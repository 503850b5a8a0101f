"""Another process of the service, which a test may watch from outside, and kill."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import httpx
from cv_testing.ports import free_port
from cv_testing.supervisor import responds


class Replica:
    """A second process of the service, on the same database: the one that dies. What it logs is in `log`."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        self._port = free_port()
        command = [
            sys.executable, "-m", "uvicorn", "--factory", "cv_payments.main:app",
            "--host", "127.0.0.1", "--port", str(self._port), "--loop", "uvloop",
        ]  # fmt: skip
        with log.open("wb") as out:
            self._process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=out)
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._port}", timeout=30)

    def is_up(self) -> bool:
        return responds(f"http://127.0.0.1:{self._port}/readyz")

    async def flooded(self, webhooks: list[tuple[bytes, dict[str, str]]]) -> list[int]:
        """The status answered to each of these when they come at once, each on a connection of its own."""
        connector = aiohttp.TCPConnector(limit=0, force_close=True)

        async def send(body: bytes, headers: dict[str, str]) -> int:
            url = f"http://127.0.0.1:{self._port}/api/payments/webhook/"
            async with flood.post(url, data=body, headers=headers) as answer:
                return answer.status

        async with aiohttp.ClientSession(connector=connector) as flood:
            return await asyncio.gather(*(send(*webhook) for webhook in webhooks))

    def stop(self) -> None:
        """Have it do nothing more, not even notice what it is answered."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
