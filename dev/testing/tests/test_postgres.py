"""The embedded PostgreSQL server: closed databases, and rows that survive a crash."""

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
    """A server of one's own, as durable as on a developer's machine, in a folder with a space in its name."""
    server = Postgres(tmp_path / "my data" / "postgres", free_port(), secrets.token_hex(8))
    server.initialise()
    with running(server.program()) as keeper:
        yield server, keeper


def test_a_database_is_closed_to_every_other_role(postgres: Postgres) -> None:
    postgres.ensure_database("tenant", "first")
    other = postgres.ensure_database("stranger", "second")
    postgres.clone_database("tenant", "tenant_copy")

    with psycopg.connect(other) as connection:
        assert connection.info.dbname == "stranger"
    for database in ("tenant", "tenant_copy"):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(postgres.url(database, "stranger", "second"))


def test_no_password_no_entry(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url("postgres", password="guess"))


def test_ensuring_a_database_again_keeps_it_and_changes_the_password(postgres: Postgres) -> None:
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


def test_a_lock_file_of_another_life_does_not_keep_it_from_starting(
    crashable: tuple[Postgres, ProcessSupervisor],
) -> None:
    server, keeper = crashable
    keeper.stop()
    (server.folder / "postmaster.pid").write_text(f"1\n{server.folder}\n")

    server.remove_stale_pid_file()
    keeper.start()

    keeper.wait_ready()


def test_what_it_writes_names_no_values(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "data", free_port(), "password")
    server.initialise()
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
