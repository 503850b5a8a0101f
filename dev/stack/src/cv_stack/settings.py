"""The settings of `make run`: `.env` and the environment, for the names that the services' settings classes declare."""

import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from cv_common.kernel.settings import INVALID_SETTINGS, SystemSettings, describe_errors
from cv_testing.environment import machine_environment
from cv_testing.workspace import ROOT, SERVICES
from dotenv import dotenv_values
from dotenv.parser import parse_stream

PROGRAMS = ("gateway", *SERVICES)

STACK_SETTINGS = {"PORT": "8000", "SANDBOX_PORT": "8010"}
"""The settings of the stack itself and their defaults."""

SET_BY_STACK = frozenset(
    {
        "DATABASE_DIRECT_URL", "DATABASE_URL", "IDENTITY_PRIVATE_KEY", "IDENTITY_PUBLIC_KEYS", "MEDIA_OPTIONS",
        "MEDIA_URL", "NATS_PASSWORD", "NATS_REPLICAS", "NATS_URL", "NATS_USER", "OPS_HOST", "OPS_PORT",
    }
    | {f"{name.upper()}_URL" for name in SERVICES}
)  # fmt: skip
"""Settings that differ by service or belong to the embedded servers. `make run` ignores other values of them."""

_SANDBOX_PREFIXES = ("SANDBOX_", "LINKEDIN_SANDBOX_")


class InvalidSetting(Exception):
    """A setting has a wrong value; the message is one line."""


@cache
def settings_class(program: str) -> type[SystemSettings]:
    """Return the settings class of a service or of the gateway."""
    found: type[SystemSettings] = import_module(f"cv_{program}.settings").Settings
    return found


def names(program: str) -> set[str]:
    """Return the environment variables that a program reads."""
    return {field.upper() for field in settings_class(program).model_fields}


def select(program: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that a program reads. The others may be secrets of other programs."""
    return {name: value for name, value in settings.items() if name in names(program)}


def select_for_sandboxes(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of the Stripe and LinkedIn sandboxes."""
    return {name: value for name, value in settings.items() if name.startswith(_SANDBOX_PREFIXES)}


def read(env_file: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the settings of `make run`; the environment wins over the file. Raises InvalidSetting."""
    known = _settable()
    values = {**read_env_file(env_file), **environment}
    settings = {name: value for name, value in values.items() if name in known}
    given = {name for name, value in settings.items() if value}
    if "STRIPE_API_KEY" not in given:
        for name in ("STRIPE_API_BASE", "STRIPE_WEBHOOK_SECRETS"):
            if name in given:
                raise InvalidSetting(f"{name} needs STRIPE_API_KEY: without it payments go to the sandbox")
            settings.pop(name, None)
    return settings


def read_env_file(file: Path) -> dict[str, str]:
    """Return the variables of a file like `.env`; none if it does not exist. Raises InvalidSetting."""
    if not file.exists():
        return {}
    with file.open(encoding="utf-8") as lines:
        for binding in parse_stream(lines):
            if binding.error or (binding.key and binding.value is None):
                raise InvalidSetting(f"{file.name}, line {binding.original.line}: expected NAME=value")
    return {name: value or "" for name, value in dotenv_values(file).items()}


def ignored(env_file: Path) -> Iterator[str]:
    """Yield a line for each name in the file without effect: misspelled ones, and settings of the stack itself."""
    of_compose = {
        name for file in ROOT.glob("docker-compose*.yml") for name in re.findall(r"\$\{(\w+)", file.read_text())
    }
    for name in read_env_file(env_file):
        if name in SET_BY_STACK:
            yield f"{env_file.name}: {name} has no effect, `make run` sets it"
        elif name not in _settable() | of_compose and not name.startswith("COMPOSE_"):
            yield f"{env_file.name}: {name} is not a setting, see docs/configuration.md"


def check(program: str, environment: Mapping[str, str]) -> None:
    """Validate the environment that a program is to be started with. Raises InvalidSetting."""
    with patch.dict(os.environ, {**machine_environment(), **environment}, clear=True):
        try:
            settings_class(program)()
        except INVALID_SETTINGS as error:
            raise InvalidSetting(describe_errors(error)[0]) from None


def port(name: str, settings: Mapping[str, str]) -> int:
    """Return a port number of the stack itself. Raises InvalidSetting."""
    text = settings.get(name) or STACK_SETTINGS[name]
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise InvalidSetting(f"{name}={text} is not a port")
    return int(text)


@cache
def _settable() -> frozenset[str]:
    declared = set().union(*(names(program) for program in PROGRAMS))
    return frozenset(declared - SET_BY_STACK | STACK_SETTINGS.keys())
