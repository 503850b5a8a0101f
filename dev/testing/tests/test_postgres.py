"""The embedded PostgreSQL server: access, durability and restart."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from cv_testing.ports import free_port
from cv_testing.postgres import Postgres
from cv_testing.supervisor import ProcessSupervisor, running


@pytest.fixture
def crashable(tmp_path: Path) -> Iterator[tuple[Postgres, ProcessSupervisor]]:
    """Return a server of one test, durable as in `make run`, in a folder with a space in its name."""
    server = Postgres(tmp_path / "my data" / "postgres", free_port(), secrets.token_hex(8))
    server.initialize()
    with running(server.program()) as keeper:
        yield server, keeper


def test_other_roles_cannot_connect_to_a_database(postgres: Postgres) -> None:
    postgres.ensure_database("tenant", "first")
    other = postgres.ensure_database("stranger", "second")
    postgres.clone_database("tenant", "tenant_copy")

    with psycopg.connect(other) as connection:
        assert connection.info.dbname == "stranger"
    for database in ("tenant", "tenant_copy"):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(postgres.url(database, "stranger", "second"))


def test_connecting_needs_the_password(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url("postgres", password="guess"))


def test_ensure_database_keeps_the_data_and_changes_the_password(postgres: Postgres) -> None:
    with psycopg.connect(postgres.ensure_database("kept", "old")) as connection:
        connection.execute("create table t as select 1 as n")

    with psycopg.connect(postgres.ensure_database("kept", "it's new")) as connection:
        assert connection.execute("select n from t").fetchone() == (1,)


def test_rows_survive_a_crash(crashable: tuple[Postgres, ProcessSupervisor]) -> None:
    server, keeper = crashable
    url = server.ensure_database("survivor", "pw")
    with psycopg.connect(url) as connection:
        connection.execute("create table t as select 1 as n")

    keeper.kill()
    keeper.wait_ready()

    with psycopg.connect(url) as connection:
        assert connection.execute("select n from t").fetchone() == (1,)


def test_the_server_starts_after_its_stale_pid_file_is_removed(
    crashable: tuple[Postgres, ProcessSupervisor],
) -> None:
    server, keeper = crashable
    keeper.stop()
    (server.folder / "postmaster.pid").write_text(f"1\n{server.folder}\n")

    server.remove_stale_pid_file()
    keeper.start()

    keeper.wait_ready()


def test_server_logs_contain_no_values(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "data", free_port(), "password")
    server.initialize()
    written: list[str] = []
    keeper = ProcessSupervisor(server.program(), lambda _, line: written.append(line))
    keeper.start()
    try:
        keeper.wait_ready()
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("create table people (email text unique)")
            for _ in range(2):
                with suppress(psycopg.errors.UniqueViolation):
                    connection.execute("insert into people values (%s)", ("marie@example.com",))
    finally:
        keeper.stop()
    assert "duplicate key value violates unique constraint" in "".join(written)
    assert "marie" not in "".join(written)
