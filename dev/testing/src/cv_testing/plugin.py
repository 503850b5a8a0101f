"""The pytest plugin: fixtures with real PostgreSQL and NATS servers, which start when a test uses them.

`service_database("resumes")` returns the URL of a new, empty, migrated database of that service.
"""

import itertools
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cv_testing.environment import machine_environment
from cv_testing.identity import IdentityKeys
from cv_testing.nats import Nats, new_passwords
from cv_testing.ports import free_port
from cv_testing.postgres import NO_DURABILITY, Postgres
from cv_testing.serving import restored_log_handlers
from cv_testing.supervisor import ProgramFailed, running

ServiceDatabase = Callable[[str], str]
StartNats = Callable[[], Nats]


@pytest.fixture(autouse=True)
def _log_handlers() -> Iterator[None]:
    """Restore the log handlers: an app under test sends all logs to the stderr of its test."""
    with restored_log_handlers():
        yield


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Return a running PostgreSQL server."""
    folder = tmp_path_factory.mktemp("postgres") / "data"
    server = Postgres(folder, free_port(), secrets.token_hex(16), NO_DURABILITY)
    server.initialize()
    with running(server.program()):
        yield server


@pytest.fixture(scope="session")
def service_database(postgres: Postgres, pytestconfig: pytest.Config) -> ServiceDatabase:
    """Return a function that creates migrated databases. Migrations run once for a service; each call copies."""
    passwords: dict[str, str] = {}
    numbers = itertools.count(1)

    def make(service: str) -> str:
        if service not in passwords:
            passwords[service] = password = secrets.token_hex(16)
            _migrate(pytestconfig.rootpath, service, postgres.ensure_database(service, password))
        copy = f"{service}_{next(numbers)}"
        postgres.clone_database(service, copy)
        return postgres.url(copy, service, passwords[service])

    return make


def _migrate(root: Path, service: str, database_url: str) -> None:
    migrated = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", f"services/{service}/alembic.ini", "upgrade", "head"],
        cwd=root, env={**machine_environment(), "DATABASE_URL": database_url},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if migrated.returncode != 0:
        raise ProgramFailed(f"the migrations of {service} failed:\n{migrated.stderr}")


@pytest.fixture(scope="session")
def start_nats(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[StartNats]:
    """Return a function that starts NATS servers with the users and permissions of `deploy/nats/nats-server.conf`."""
    config = pytestconfig.rootpath / "deploy" / "nats" / "nats-server.conf"
    with ExitStack() as stack:

        def start() -> Nats:
            server = Nats(config, tmp_path_factory.mktemp("nats"), free_port(), free_port(), new_passwords())
            stack.enter_context(running(server.program()))
            server.require_durability()
            return server

        yield start


@pytest.fixture(scope="session")
def nats_server(start_nats: StartNats) -> Nats:
    """Return a running NATS server.

    A package that tests a consumer overrides this with a server of its own. Consumers are named after their services,
    so tests of another package that publish as that service would take its messages.
    """
    return start_nats()


@pytest.fixture(scope="session")
def identity_keys() -> IdentityKeys:
    """Return keys of all issuers."""
    return IdentityKeys.generate()
