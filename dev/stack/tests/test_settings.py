"""`make run` reads `.env` and the environment, and reports a wrong value in one line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cv_stack import settings
from cv_stack.secrets import Secrets
from cv_stack.services import Ports, StackPrograms
from cv_stack.settings import InvalidSetting
from cv_testing.environment import machine_environment
from cv_testing.nats import USERS, Nats
from cv_testing.ports import free_port
from cv_testing.postgres import Postgres
from cv_testing.workspace import ROOT, SERVICES

RUN = """
import sys, pathlib, cv_stack.__main__ as stack
folder = pathlib.Path(sys.argv[1])
stack.DATA, stack.ENV_FILE, sys.argv[1:] = folder / "data", folder / ".env", ["run"]
stack.main()
"""
ONE_LOGIN = {"login": {"address": "1/minute"}}
TEST_KEY = {"STRIPE_API_KEY": "sk_test_of_an_account"}


@contextmanager
def make_run(folder: Path, env_file: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start what `make run` starts, with `.env` and `.data` in a folder."""
    (folder / ".env").write_text(env_file)
    command = [sys.executable, "-c", RUN, str(folder)]
    with subprocess.Popen(
        command, env={**machine_environment(), **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def read(tmp_path: Path, env_file: str, **environment: str) -> dict[str, str]:
    file = tmp_path / ".env"
    file.write_text(env_file)
    return settings.read(file, environment)


def programs(folder: Path, chosen: Mapping[str, str]) -> StackPrograms:
    secrets = Secrets(folder / "secrets.json")
    ports = Ports(
        gateway=8000, gateway_ops=1, stripe_sandbox=8010, linkedin_sandbox=2,
        services=dict.fromkeys(SERVICES, 3), postgres=4, nats=5,
    )  # fmt: skip
    nats = Nats(folder, folder, 5, 6, dict.fromkeys(USERS, "password"))
    return StackPrograms(folder, ports, secrets, Postgres(folder, 4, "password"), nats, chosen)


def check(folder: Path, program: str, **chosen: str) -> None:
    made = programs(folder, chosen)
    settings.check(program, made.gateway_environment() if program == "gateway" else made.environment(program))


@pytest.mark.operations
def test_running_system_uses_env_file_and_environment(tmp_path: Path) -> None:
    port = free_port()
    env_file = f'PORT={port}\nCORS_ALLOWED_ORIGINS=["https://shop.example"]\nRATE_LIMITS={json.dumps(ONE_LOGIN)}\n'
    environment = {"SANDBOX_PORT": str(free_port()), "LOG_LEVEL": "WARNING", "DATABASE_URL": "postgresql://unused"}
    with make_run(tmp_path, env_file, environment) as process:
        assert process.stdout is not None
        output = "".join(iter(process.stdout.readline, "  Stop                  Ctrl-C\n"))
        assert f"http://localhost:{port}\n" in output
        with httpx.Client(base_url=f"http://localhost:{port}", timeout=30) as client:
            login = {"email": "nobody@example.com", "password": "wrong"}
            statuses = [client.post("/api/auth/login/", json=login).status_code for _ in range(2)]
            origins = [allowed_origin(client, origin) for origin in ("https://shop.example", "https://other.example")]
            local = allowed_origin(client, "http://localhost:5173")
    assert statuses == [401, 429]
    assert origins == ["https://shop.example", None]
    assert local == "http://localhost:5173"
    for program in settings.PROGRAMS:
        log = tmp_path / "data" / "logs" / f"{program}.log"
        assert not log.exists() or '"level":"info"' not in log.read_text(), "LOG_LEVEL=WARNING"


def allowed_origin(client: httpx.Client, origin: str) -> str | None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    found: str | None = client.options("/api/resumes/", headers=headers).headers.get("access-control-allow-origin")
    return found


def test_wrong_value_stops_the_start_with_one_line(tmp_path: Path) -> None:
    began = time.monotonic()
    with make_run(tmp_path, "RATE_LIMITS_ENABLED=perhaps\n", {}) as process:
        output, _ = process.communicate()
    assert process.returncode == 1
    assert output == "! RATE_LIMITS_ENABLED: Input should be a valid boolean, unable to interpret input\n"
    assert time.monotonic() - began < 30
    assert not (tmp_path / "data" / "postgres").exists()


@pytest.mark.parametrize(
    ("program", "name", "value", "message"),
    [
        ("gateway", "CORS_ALLOWED_ORIGINS", "https://a.example", "CORS_ALLOWED_ORIGINS: the value is not valid JSON"),
        ("gateway", "RATE_LIMITS", '{"login": {"address": "often"}}', "RATE_LIMITS.LOGIN.ADDRESS: "),
        ("gateway", "PUBLIC_BASE_URL", "localhost", "PUBLIC_BASE_URL: must begin with http:// or https://"),
        ("auth", "LOG_LEVEL", "LOUD", "LOG_LEVEL: Input should be 'DEBUG', 'INFO', 'WARNING'"),
        ("renderer", "RENDER_WORKERS", "0", "RENDER_WORKERS: Input should be greater than or equal to 1"),
        ("payments", "STRIPE_API_KEY", "sk_live_1", "STRIPE_API_KEY is a live key"),
        ("payments", "ENVIRONMENT", "production", "in production STRIPE_API_KEY must be a live key"),
    ],
)
def test_invalid_value_is_named(tmp_path: Path, program: str, name: str, value: str, message: str) -> None:
    with pytest.raises(InvalidSetting) as raised:
        check(tmp_path, program, **{name: value})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert value not in str(raised.value) or name == "ENVIRONMENT"


def test_default_settings_of_all_programs_are_valid(tmp_path: Path) -> None:
    for program in settings.PROGRAMS:
        check(tmp_path, program)


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "LOG_LEVEL=DEBUG\nPORT=9000\n", LOG_LEVEL="ERROR") == {"LOG_LEVEL": "ERROR", "PORT": "9000"}


def test_missing_file_is_no_error(tmp_path: Path) -> None:
    assert settings.read(tmp_path / ".env", {"PDF_LANGUAGE": "en", "HOME": "/root"}) == {"PDF_LANGUAGE": "en"}


@pytest.mark.parametrize("line", ["PORT", "= 1", "PORT='1"])
def test_malformed_line_is_reported_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(InvalidSetting, match=r"\.env, line 2: expected NAME=value"):
        read(tmp_path, f"LOG_LEVEL=INFO\n{line}\n")


@pytest.mark.parametrize("text", ["0", "65536", "eighty"])
def test_invalid_port_is_reported(text: str) -> None:
    with pytest.raises(InvalidSetting, match=f"PORT={text} is not a port"):
        settings.port("PORT", {"PORT": text})


def test_settings_of_the_embedded_servers_have_no_effect(tmp_path: Path) -> None:
    assert read(tmp_path, "DATABASE_URL=x\n", NATS_URL="x", AUTH_URL="x") == {}
    assert list(settings.ignored(tmp_path / ".env")) == [".env: DATABASE_URL has no effect, `make run` sets it"]


def test_unknown_name_in_the_file_is_reported(tmp_path: Path) -> None:
    read(tmp_path, "RATE_LIMIT_ENABLED=false\nTAG=1\nCOMPOSE_PROFILES=dev\nLOG_LEVEL=INFO\n")
    [line] = settings.ignored(tmp_path / ".env")
    assert line == ".env: RATE_LIMIT_ENABLED is not a setting, see docs/configuration.md"


def test_every_line_of_the_example_file_is_valid(tmp_path: Path) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    read(tmp_path, "\n".join(line[1:] for line in lines if re.match(r"#\w+=", line)))
    assert list(settings.ignored(tmp_path / ".env")) == []


def test_payments_use_the_stripe_account_if_its_key_is_set(tmp_path: Path) -> None:
    sandbox = programs(tmp_path, {}).environment("payments")
    assert sandbox["STRIPE_API_BASE"] == "http://127.0.0.1:8010"
    account = TEST_KEY | {"STRIPE_WEBHOOK_SECRETS": json.dumps(["whsec_listen"])}
    environment = programs(tmp_path, account).environment("payments")
    assert environment.items() >= account.items()
    assert "STRIPE_API_BASE" not in environment


@pytest.mark.parametrize("name", ["STRIPE_API_BASE", "STRIPE_WEBHOOK_SECRETS"])
def test_stripe_settings_without_a_key_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{name} needs STRIPE_API_KEY"):
        read(tmp_path, f"{name}=x\n")
    assert read(tmp_path, f"{name}=\n") == {}


def test_programs_get_only_the_settings_that_they_read(tmp_path: Path) -> None:
    chosen = TEST_KEY | {"LINKEDIN_SOURCE_URL": "https://profiles.example", "SANDBOX_CHECKOUT_WAIT": "3"}
    made = programs(tmp_path, chosen)
    for program in set(SERVICES) - {"payments"}:
        assert "STRIPE_API_KEY" not in made.environment(program)
    assert "STRIPE_API_KEY" not in made.gateway_environment()
    assert "STRIPE_API_KEY" not in made.stripe_sandbox().environment
    assert made.stripe_sandbox().environment["SANDBOX_CHECKOUT_WAIT"] == "3"
    assert made.environment("resumes")["LINKEDIN_SOURCE_URL"] == "https://profiles.example"
    assert "LINKEDIN_SOURCE_TOKEN" not in made.environment("resumes")


def test_check_ignores_other_variables_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(os.environ, "RENDER_WORKERS", "0")
    check(tmp_path, "renderer")
