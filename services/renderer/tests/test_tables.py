"""The migrations create the tables that `tables.py` declares."""

import subprocess
import sys

import pytest
from cv_renderer.tables import metadata
from cv_testing.environment import machine_environment
from cv_testing.plugin import ServiceDatabase
from cv_testing.tables import differences


def test_migrations_create_the_declared_tables(service_database: ServiceDatabase) -> None:
    assert differences(service_database("renderer"), metadata) == []


def test_replicas_can_migrate_at_the_same_time(service_database: ServiceDatabase, pytestconfig: pytest.Config) -> None:
    """A replica that waits for its turn does not block the concurrent creation of an index."""
    environment = {**machine_environment(), "DATABASE_URL": service_database("renderer")}
    alembic = (sys.executable, "-m", "alembic", "-c", "services/renderer/alembic.ini")

    def start(*command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*alembic, *command], cwd=pytestconfig.rootpath, env=environment)

    assert start("downgrade", "base").wait() == 0
    replicas = [start("upgrade", "head") for _ in range(2)]
    assert [replica.wait() for replica in replicas] == [0, 0]
    assert differences(environment["DATABASE_URL"], metadata) == []
