"""Databases are lost and restored from a backup. The embedded PostgreSQL includes the tools for it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
import pytest
from cv_stack.secrets import Secrets
from cv_stack.system import System
from cv_testing.environment import machine_environment
from cv_testing.postgres import Postgres, binaries
from cv_testing.workspace import SERVICES
from psycopg import sql

from tests.conftest import recovery
from tests.integration.visitor import PASSWORD, Visitor, eventually, expect

pytestmark = pytest.mark.operations

STUDIES = {"institution": "Sorbonne", "degree": "Master", "field_of_study": "Droit", "start_date": "2010-09-01"}


class Backups:
    """The operator's steps from `docs/operations.md`."""

    def __init__(self, system: System, folder: Path) -> None:
        self._system = system
        self._folder = folder

    def dump(self, *services: str) -> None:
        for service in services:
            file = f"--file={self._folder / service}"
            self._run(str(binaries() / "pg_dump"), "--format=custom", file, self._url(service))

    @contextmanager
    def stopped(self, *services: str) -> Iterator[None]:
        """Keep the services stopped inside the block."""
        for service in services:
            self._system.take_down(service)
        try:
            yield
        finally:
            for service in services:
                self._system.bring_up(service)

    def lose(self, *services: str) -> None:
        """Replace the databases of stopped services by empty ones."""
        secrets = Secrets(self._system.data / "secrets.json")
        for service in services:
            port = urlsplit(self._url(service)).port
            assert port is not None
            server = Postgres(self._system.data / "postgres", port, secrets.password("postgres"))
            with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
                drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(service))
                connection.execute(drop)
            server.ensure_database(service, secrets.password(f"database {service}"))

    def restore(self, *services: str) -> None:
        for service in services:
            arguments = ("--no-owner", "--exit-on-error", f"--dbname={self._url(service)}", str(self._folder / service))
            self._run(str(binaries() / "pg_restore"), *arguments)
            self.command(service, "recover")

    def command(self, service: str, action: str) -> None:
        """Run `python -m cv_common.messaging.republish` for one service."""
        self._run(sys.executable, "-m", "cv_common.messaging.republish", action, **self._system.environment(service))

    def execute(self, service: str, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """Execute a statement with the service's own role. Returns its rows, none for a statement without a result."""
        with psycopg.connect(self._url(service)) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def _url(self, service: str) -> str:
        return self._system.environment(service)["DATABASE_URL"]

    def _run(self, *command: str, **environment: str) -> None:
        subprocess.run(command, env={**machine_environment(), **environment}, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
async def system(started_system: System) -> System:
    """Return the running system, after it has recovered from the previous test."""
    await recovery(started_system)
    return started_system


@pytest.fixture
def backups(system: System, tmp_path: Path) -> Backups:
    return Backups(system, tmp_path)


@pytest.fixture
async def marie(system: System) -> AsyncIterator[Visitor]:
    async with Visitor(system.ports.public_url) as visitor:
        yield visitor


@pytest.fixture
async def paul(system: System) -> AsyncIterator[Visitor]:
    async with Visitor(system.ports.public_url) as visitor:
        yield visitor


async def read_everything(visitor: Visitor, resume_id: int) -> dict[str, Any]:
    """Return all answers to a visitor with an account and one resume."""
    paths = ("auth/profile", "resumes", f"resumes/{resume_id}", "payments", "templates")
    answers = {path: await visitor.get(f"/api/{path}/") for path in paths}
    for resume in (*answers["resumes"], answers[f"resumes/{resume_id}"]):
        resume.pop("last_accessed", None)  # each read changes it
    return answers


async def add_studies(visitor: Visitor, resume: dict[str, Any]) -> tuple[int, int]:
    """Add an education entry. Returns its id and the resume's new revision."""
    path = f"/api/resumes/{resume['id']}/"
    entries = (await visitor.get(path))["education"]
    saved = await visitor.request("PATCH", path, json={"education_data": [*entries, STUDIES]})
    return expect(saved, 200)["education"][-1]["id"], int(saved.headers["etag"].strip('"'))


def restore_everything(backups: Backups) -> None:
    with backups.stopped(*SERVICES):
        backups.lose(*SERVICES)
        backups.restore(*SERVICES)


def restore_one(backups: Backups, service: str) -> None:
    with backups.stopped(service):
        backups.lose(service)
        backups.restore(service)


def is_paid(visitor: Visitor, resume_id: int) -> Any:
    async def paid() -> bool:
        return bool((await visitor.get(f"/api/resumes/{resume_id}/"))["is_paid"])

    return paid


async def test_restored_system_answers_as_before_and_reuses_no_id(
    backups: Backups, marie: Visitor, paul: Visitor
) -> None:
    user = await marie.register()
    await marie.login(user["email"])
    resume = await marie.write_resume(education_data=[STUDIES])
    await marie.pay(await marie.checkout(resume["id"]))
    await eventually(is_paid(marie, resume["id"]))
    await add_studies(marie, resume)
    before = await read_everything(marie, resume["id"])
    await asyncio.to_thread(backups.dump, *SERVICES)

    lost = await paul.write_resume()
    lost_user = await paul.register()
    lost_entry, lost_revision = await add_studies(marie, resume)
    assert await read_everything(marie, resume["id"]) != before
    await asyncio.to_thread(restore_everything, backups)

    assert await read_everything(marie, resume["id"]) == before
    assert (await paul.request("GET", f"/api/resumes/{lost['id']}/")).status_code == 404
    entry, revision = await add_studies(marie, resume)
    assert entry > lost_entry
    assert revision > lost_revision
    assert (await paul.register())["id"] > lost_user["id"]
    new = await paul.write_resume()
    assert new["id"] > lost["id"]
    await paul.pay(await paul.checkout(new["id"]))
    await eventually(is_paid(paul, new["id"]))
    assert not (await marie.export(resume["id"]))[0]


async def test_republished_events_update_a_restored_service(backups: Backups, marie: Visitor) -> None:
    resume = await marie.write_resume()
    await asyncio.to_thread(backups.dump, "resumes")
    await marie.pay(await marie.checkout(resume["id"]))
    await eventually(is_paid(marie, resume["id"]))
    await asyncio.to_thread(restore_one, backups, "resumes")
    assert not await is_paid(marie, resume["id"])()
    await asyncio.to_thread(backups.command, "payments", "republish")
    await eventually(is_paid(marie, resume["id"]))


async def test_accounts_erased_since_the_backup_can_be_erased_again(backups: Backups, paul: Visitor) -> None:
    user = await paul.register()
    await asyncio.to_thread(backups.dump, "auth")
    [(dumped_at,)] = backups.execute("resumes", "select now()")
    await paul.login(user["email"])
    assert (await paul.request("DELETE", "/api/auth/profile/", json={"password": PASSWORD})).status_code == 204

    def erased() -> list[int]:
        found = backups.execute("resumes", "select user_id from ended_users where ended_at > %s", dumped_at)
        return [user_id for (user_id,) in found]

    await eventually(erased)
    await asyncio.to_thread(restore_one, backups, "auth")
    assert erased() == [user["id"]]
    await paul.login(user["email"])
    backups.execute("auth", "delete from users where id = any(%s)", erased())
    credentials = {"email": user["email"], "password": PASSWORD}
    assert (await paul.request("POST", "/api/auth/login/", json=credentials)).status_code == 401
