"""A service that is asked to stop cuts nobody off."""

import asyncio
import sys
from pathlib import Path

import httpx
from cv_common.testing.environment import machine_environment
from cv_common.testing.ports import free_port
from cv_common.testing.processes import Program, answers, running

APP = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

def app():
    return Starlette(routes=[Route("/", lambda request: PlainTextResponse("here"), methods=["GET", "POST"])])
"""


def program(folder: Path, port: int) -> Program:
    (folder / "small.py").write_text(APP)
    command = [sys.executable, "-m", "cv_common.serve", "small:app", "--port", str(port)]
    environment = {**machine_environment(), "PYTHONPATH": str(folder)}
    return Program("small", command, environment, lambda: answers(f"http://127.0.0.1:{port}/"))


async def write_all_the_time(url: str, asked_to_stop: asyncio.Event) -> int:
    """POSTs over one kept connection, until none can be opened any more; how many after it was asked to stop."""
    answered = 0
    async with httpx.AsyncClient(base_url=url) as client:
        while True:
            try:
                answer = await client.post("/")
            except httpx.ConnectError:
                return answered
            assert answer.text == "here"
            answered += asked_to_stop.is_set()


async def test_who_keeps_a_connection_is_not_cut_off(tmp_path: Path) -> None:
    port, asked = free_port(), asyncio.Event()
    with running(program(tmp_path, port)) as keeper:
        writers = [asyncio.create_task(write_all_the_time(f"http://127.0.0.1:{port}", asked)) for _ in range(8)]
        await asyncio.sleep(0)
        asked.set()
        await asyncio.to_thread(keeper.stop)
        assert all(await asyncio.gather(*writers))
