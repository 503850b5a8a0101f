"""The migrations make the tables that the code speaks of."""

import subprocess
import sys

import psycopg
import pytest
from cv_templates.tables import metadata
from cv_testing.environment import machine_environment
from cv_testing.plugin import ServiceDatabase
from cv_testing.tables import differences


def test_migrated_database_is_what_the_tables_say(service_database: ServiceDatabase) -> None:
    assert differences(service_database("templates"), metadata) == []


def test_tables_of_a_later_release_are_left(service_database: ServiceDatabase, pytestconfig: pytest.Config) -> None:
    """Who went back to an earlier release may run its migrations: they do nothing, and are no failure."""
    url = service_database("templates")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update alembic_version set version_num = 'later'")
        migrated = subprocess.run(
            [sys.executable, "-m", "alembic", "-c", "services/templates/alembic.ini", "upgrade", "head"],
            cwd=pytestconfig.rootpath, env={**machine_environment(), "DATABASE_URL": url},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert migrated.returncode == 0, migrated.stderr
        assert "ahead of this release, which leaves it so: later" in migrated.stderr
        assert connection.execute("select version_num from alembic_version").fetchall() == [("later",)]
