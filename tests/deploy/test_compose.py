"""The files of `docker compose` say what they mean, whichever of the settings are given."""

import json
import shutil
import subprocess
from typing import Any

import pytest
from cv_stack.settings import ROOT, SERVICES
from cv_testing.environment import machine_environment


def _compose_is_here() -> bool:
    """Docker's client may be there without its plug-in, which is what reads the files."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not _compose_is_here(), reason="needs Docker's client with its compose plug-in")


def composed(*arguments: str, **environment: str) -> dict[str, Any]:
    """What compose makes of its files."""
    command = ["docker", "compose", *arguments, "config", "--format", "json"]
    settings = machine_environment() | environment
    done = subprocess.run(command, cwd=ROOT, env=settings, check=True, capture_output=True, text=True)
    read: dict[str, Any] = json.loads(done.stdout)["services"]
    return read


def test_only_the_gateway_is_published_without_stand_ins() -> None:
    services = composed()
    assert [name for name, service in services.items() if service.get("ports")] == ["gateway"]
    assert not any("sandbox" in name for name in services)


def test_nothing_secret_is_in_an_environment() -> None:
    for name, service in composed("--profile", "dev").items():
        for variable in service.get("environment") or {}:
            assert not variable.endswith(("PASSWORD", "KEY", "KEYS", "SECRETS", "DATABASE_URL")), (name, variable)


def test_every_part_is_bounded_and_none_keeps_a_capability() -> None:
    for name, service in composed("--profile", "dev").items():
        assert int(service["mem_limit"]) > 0, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_at_scale_there_are_two_of_each_and_a_bucket() -> None:
    files = ("-f", "docker-compose.yml", "-f", "docker-compose.scale.yml")
    services = composed(*files, MEDIA_URL="s3://cv-builder")
    assert all(services[name]["deploy"]["replicas"] == 2 for name in SERVICES)
    assert services["renderer"]["environment"]["MEDIA_URL"] == "s3://cv-builder/renderer"
    assert services["gateway"]["environment"]["RATE_LIMITS_URL"] == "valkey://valkey:6379"
    with pytest.raises(subprocess.CalledProcessError):
        composed(*files)
