"""The pytest plugin: real PostgreSQL and NATS for every package's tests, one server of each a run, started when used.

`service_database("resumes")` is the URL of an empty, migrated database of that service, a new one at each call.
"""

import itertools
import logging
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
from cv_testing.postgres import Postgres
from cv_testing.supervisor import ProgramFailed, running

# A test's data need not survive a power cut.
_NO_DURABILITY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

ServiceDatabase = Callable[[str], str]
StartNats = Callable[[], Nats]


@pytest.fixture(autouse=True)
def _logs_stay_where_they_were() -> Iterator[None]:
    """A program that a test starts in this process sends all logs to the stderr of that moment, which may be closed
    by the next test."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    yield
    root.handlers[:] = handlers


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A running PostgreSQL server."""
    folder = tmp_path_factory.mktemp("postgres") / "data"
    server = Postgres(folder, free_port(), secrets.token_hex(16), _NO_DURABILITY)
    server.initialise()
    with running(server.program()):
        yield server


@pytest.fixture(scope="session")
def service_database(postgres: Postgres, pytestconfig: pytest.Config) -> ServiceDatabase:
    """Makes migrated databases: the migrations run once for a service, each call gets a copy of the result."""
    originals: dict[str, str] = {}
    numbers = itertools.count(1)

    def make(service: str) -> str:
        if service not in originals:
            originals[service] = password = secrets.token_hex(16)
            _migrate(pytestconfig.rootpath, service, postgres.ensure_database(service, password))
        copy = f"{service}_{next(numbers)}"
        postgres.clone_database(service, copy)
        return postgres.url(copy, service, originals[service])

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
    """Starts NATS servers with the users and permissions of `deploy/nats/nats-server.conf`."""
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
    """A running NATS server.

    A package whose service consumes has one of its own: durable consumers are named after their service, so another
    package's tests, speaking for that service, would take its messages.
    """
    return start_nats()


@pytest.fixture(scope="session")
def identity_keys() -> IdentityKeys:
    """Keys of every issuer, and headers signed with them."""
    return IdentityKeys.generate()
