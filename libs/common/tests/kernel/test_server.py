"""A service that is asked to stop cuts nobody off."""

import asyncio
import json
import sys
from pathlib import Path

import httpx
from cv_common.kernel.identity import generate_keys
from cv_testing.environment import machine_environment
from cv_testing.ports import free_port
from cv_testing.supervisor import Program, responds, running

APP = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

def app():
    return Starlette(routes=[Route("/", lambda request: PlainTextResponse("here"), methods=["GET", "POST"])])
"""


def program(folder: Path, port: int) -> Program:
    (folder / "small.py").write_text(APP)
    command = [sys.executable, "-m", "cv_common.kernel.server", "small:app", "--port", str(port)]
    environment = {**machine_environment(), "PYTHONPATH": str(folder)}
    return Program("small", command, environment, lambda: responds(f"http://127.0.0.1:{port}/"))


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


LAST = """
import atexit
from pathlib import Path

atexit.register(Path(__file__).with_name("exited").touch)
"""


async def test_what_is_to_be_done_at_exit_is_done(tmp_path: Path) -> None:
    started = program(tmp_path, free_port())
    (tmp_path / "small.py").write_text(APP + LAST)
    with running(started):
        pass
    assert (tmp_path / "exited").exists()


SETTINGS = """
from cv_common.kernel.settings import DatabaseSettings, MediaSettings, ServiceSettings

def app():
    DatabaseSettings()
    MediaSettings()
    ServiceSettings()
    raise SystemExit("these are taken")
"""


KEY = generate_keys()[0]
DATABASE = {"DATABASE_URL": "postgresql://secret"}
MEDIA = DATABASE | {"MEDIA_URL": "file:///secret"}


def keys(private: str, of_gateway: str | list[str]) -> dict[str, str]:
    return {"IDENTITY_PRIVATE_KEY": private, "IDENTITY_PUBLIC_KEYS": json.dumps({"gateway": of_gateway})}


async def test_settings_that_do_not_do_are_a_plain_line(tmp_path: Path) -> None:
    (tmp_path / "unset.py").write_text(SETTINGS)
    for settings, line in (
        ({}, "! DATABASE_URL: Field required"),
        (DATABASE | {"DATABASE_POOL_SIZE": "many"}, "! DATABASE_POOL_SIZE: Input should be"),
        (DATABASE | {"MEDIA_URL": "secret"}, "! MEDIA_URL: Value error, must be file:///"),
        (DATABASE | {"MEDIA_URL": "s3://"}, "! MEDIA_URL: Value error, must be file:///"),
        (MEDIA | {"MEDIA_OPTIONS": "secret"}, "! error parsing value for field"),
        (MEDIA | keys("secret", KEY), "! IDENTITY_PRIVATE_KEY: Value error, an Ed25519 key is"),
        (MEDIA | keys(KEY, "secret"), "! IDENTITY_PUBLIC_KEYS.GATEWAY: Value error, an Ed25519 key is"),
        (MEDIA | keys(KEY, [KEY, "secret"]), "! IDENTITY_PUBLIC_KEYS.GATEWAY: Value error, an Ed25519 key is"),
    ):
        environment = {**machine_environment(), "PYTHONPATH": str(tmp_path), **settings}
        ended = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cv_common.kernel.server", "unset:app", "--port", str(free_port()),
            env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said = (await ended.communicate())[0].decode()
        assert ended.returncode == 1
        assert line in said
        assert "Traceback" not in said
        assert "secret" not in said
