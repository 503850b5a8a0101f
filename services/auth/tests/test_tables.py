"""The migrations create the tables of `tables.py`."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from cv_auth.domain.usernames import skeletons
from cv_auth.tables import metadata
from cv_testing.environment import machine_environment
from cv_testing.plugin import ServiceDatabase
from cv_testing.tables import differences


def test_migrations_create_the_tables(service_database: ServiceDatabase) -> None:
    assert differences(service_database("auth"), metadata) == []


@pytest.mark.operations
def test_migration_computes_skeletons_of_existing_usernames(
    service_database: ServiceDatabase, pytestconfig: pytest.Config
) -> None:
    database_url = service_database("auth")

    def alembic(*command: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "alembic", "-c", "services/auth/alembic.ini", *command],
            cwd=pytestconfig.rootpath,
            env={**machine_environment(), "DATABASE_URL": database_url},
            check=True,
            capture_output=True,
        )

    alembic("downgrade", "0001")
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into users (username, email, password_hash, first_name, last_name)"
            " select 'us\u0435r' || n, n || '@example.com', '', '', '' from generate_series(1, 1200) n"
        )
    with ThreadPoolExecutor() as replicas:  # an index that is built waits for statements, so none may wait for it
        list(replicas.map(alembic, ["upgrade"] * 2, ["head"] * 2))
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("select username, username_skeletons, skeletons_of from users").fetchall()
    assert len(rows) == 1200
    assert all(found == skeletons(username) and of == username for username, found, of in rows)
