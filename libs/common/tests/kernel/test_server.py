"""The server: graceful shutdown and invalid settings."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from cv_common.kernel.identity import generate_keys
from cv_common.kernel.server import _load_app
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


async def post_until_refused(url: str, stopping: asyncio.Event) -> int:
    """POST over one persistent connection until the server refuses connections. Returns the number after `stopping`."""
    answered = 0
    async with httpx.AsyncClient(base_url=url) as client:
        while True:
            try:
                answer = await client.post("/")
            except httpx.ConnectError:
                return answered
            assert answer.text == "here"
            answered += stopping.is_set()


async def test_shutdown_does_not_interrupt_persistent_connections(tmp_path: Path) -> None:
    port, stopping = free_port(), asyncio.Event()
    with running(program(tmp_path, port)) as supervisor:
        writers = [asyncio.create_task(post_until_refused(f"http://127.0.0.1:{port}", stopping)) for _ in range(8)]
        await asyncio.sleep(0)
        stopping.set()
        await asyncio.to_thread(supervisor.stop)
        assert all(await asyncio.gather(*writers))


LAST = """
import atexit
from pathlib import Path

atexit.register(Path(__file__).with_name("exited").touch)
"""


async def test_atexit_functions_run_after_a_signal(tmp_path: Path) -> None:
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


def test_invalid_settings_end_the_process_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "unset.py").write_text(SETTINGS)
    ended = subprocess.run(
        [sys.executable, "-m", "cv_common.kernel.server", "unset:app", "--port", str(free_port())],
        env={**machine_environment(), "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (1, "! DATABASE_URL: Field required\n")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (DATABASE | {"DATABASE_POOL_SIZE": "many"}, "! DATABASE_POOL_SIZE: Input should be"),
        (DATABASE | {"MEDIA_URL": "secret"}, "! MEDIA_URL: must be file:///"),
        (DATABASE | {"MEDIA_URL": "s3://"}, "! MEDIA_URL: must be file:///"),
        (MEDIA | {"MEDIA_OPTIONS": "secret"}, "! MEDIA_OPTIONS: the value is not valid JSON"),
        (MEDIA | keys("secret", KEY), "! IDENTITY_PRIVATE_KEY: an Ed25519 key is"),
        (MEDIA | keys(KEY, "secret"), "! IDENTITY_PUBLIC_KEYS.GATEWAY: an Ed25519 key is"),
        (MEDIA | keys(KEY, [KEY, "secret"]), "! IDENTITY_PUBLIC_KEYS.GATEWAY: an Ed25519 key is"),
    ],
)
def test_an_invalid_setting_is_reported_without_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], line: str
) -> None:
    (tmp_path / "unset.py").write_text(SETTINGS)
    monkeypatch.syspath_prepend(tmp_path)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        _load_app("unset:app")
    said = str(ended.value)
    assert said.startswith(line)
    assert "secret" not in said
