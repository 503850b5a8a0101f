"""The migrations create the tables of `tables.py`."""

import subprocess
import sys

import psycopg
import pytest
from cv_templates.tables import metadata
from cv_testing.environment import machine_environment
from cv_testing.plugin import ServiceDatabase
from cv_testing.tables import differences


def test_migrations_create_the_tables(service_database: ServiceDatabase) -> None:
    assert differences(service_database("templates"), metadata) == []


@pytest.mark.operations
def test_migrations_of_a_later_release_are_kept(service_database: ServiceDatabase, pytestconfig: pytest.Config) -> None:
    """After a rollback, the migrations of the earlier release succeed and do nothing."""
    url = service_database("templates")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update alembic_version set version_num = 'later'")
        migrated = subprocess.run(
            [sys.executable, "-m", "alembic", "-c", "services/templates/alembic.ini", "upgrade", "head"],
            cwd=pytestconfig.rootpath, env={**machine_environment(), "DATABASE_URL": url},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert migrated.returncode == 0, migrated.stderr
        assert "the database has migrations of a newer release, which stay: later" in migrated.stderr
        assert connection.execute("select version_num from alembic_version").fetchall() == [("later",)]
