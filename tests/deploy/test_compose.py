"""The files of `docker compose`, as compose resolves them."""

import json
import shutil
import subprocess
from typing import Any

import pytest
from cv_testing.environment import machine_environment
from cv_testing.workspace import ROOT, SERVICES


def _has_compose() -> bool:
    """Return whether Docker's client and its compose plug-in are installed."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not _has_compose(), reason="needs Docker's client with its compose plug-in")


def resolve(*arguments: str, **environment: str) -> dict[str, Any]:
    """Return the resolved services of the compose files."""
    command = ["docker", "compose", *arguments, "config", "--format", "json"]
    settings = machine_environment() | environment
    done = subprocess.run(command, cwd=ROOT, env=settings, check=True, capture_output=True, text=True)
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


def test_only_the_gateway_is_published_without_the_dev_profile() -> None:
    services = resolve()
    assert [name for name, service in services.items() if service.get("ports")] == ["gateway"]
    assert not any("sandbox" in name for name in services)


def test_no_secret_is_in_an_environment() -> None:
    for name, service in resolve("--profile", "dev").items():
        for variable in service.get("environment") or {}:
            assert not variable.endswith(("PASSWORD", "KEY", "KEYS", "SECRETS", "DATABASE_URL")), (name, variable)


def test_every_container_has_limits_and_no_capabilities() -> None:
    for name, service in resolve("--profile", "dev").items():
        assert int(service["mem_limit"]) > 0, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_scale_file_has_two_replicas_and_a_bucket() -> None:
    files = ("-f", "docker-compose.yml", "-f", "docker-compose.scale.yml")
    services = resolve(*files, MEDIA_URL="s3://cv-builder")
    assert all(services[name]["deploy"]["replicas"] == 2 for name in SERVICES)
    assert services["renderer"]["environment"]["MEDIA_URL"] == "s3://cv-builder/renderer"
    assert services["gateway"]["environment"]["RATE_LIMITS_URL"] == "valkey://valkey:6379"
    with pytest.raises(subprocess.CalledProcessError):
        resolve(*files)
