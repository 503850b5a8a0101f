"""The migrations make the tables that the code speaks of."""

import subprocess
import sys

import pytest
from cv_renderer.tables import metadata
from cv_testing.environment import machine_environment
from cv_testing.plugin import ServiceDatabase
from cv_testing.tables import differences


def test_migrated_database_is_what_the_tables_say(service_database: ServiceDatabase) -> None:
    assert differences(service_database("renderer"), metadata) == []


def test_replicas_may_migrate_at_the_same_time(service_database: ServiceDatabase, pytestconfig: pytest.Config) -> None:
    """A server that waits for its turn holds up no index that is built beside the running service."""
    environment = {**machine_environment(), "DATABASE_URL": service_database("renderer")}
    alembic = (sys.executable, "-m", "alembic", "-c", "services/renderer/alembic.ini")

    def start(*command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*alembic, *command], cwd=pytestconfig.rootpath, env=environment)

    assert start("downgrade", "base").wait() == 0
    replicas = [start("upgrade", "head") for _ in range(3)]
    assert [replica.wait() for replica in replicas] == [0, 0, 0]
    assert differences(environment["DATABASE_URL"], metadata) == []
