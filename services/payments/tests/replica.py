"""Another process of the service, which a test may watch and kill."""

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
    """A second process of the service on the same database, which tests may kill. It logs to `log`."""

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

    async def send_at_once(self, webhooks: list[tuple[bytes, dict[str, str]]]) -> list[int]:
        """Send webhooks at once, each on its own connection. Returns the status of each."""
        connector = aiohttp.TCPConnector(limit=0, force_close=True)

        async def send(body: bytes, headers: dict[str, str]) -> int:
            url = f"http://127.0.0.1:{self._port}/api/payments/webhook/"
            async with flood.post(url, data=body, headers=headers) as answer:
                return answer.status

        async with aiohttp.ClientSession(connector=connector) as flood:
            return await asyncio.gather(*(send(*webhook) for webhook in webhooks))

    def stop(self) -> None:
        """Suspend the process, so that it does not notice responses either."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
