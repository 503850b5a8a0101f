"""What the renderer does by itself: files of deleted resumes go, and so do those that nobody can fetch any more."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cv_common.kernel.database import connect_directly
from cv_common.messaging.broker import Broker, BrokerUnavailable
from cv_common.messaging.events import ResumeDeleted
from cv_renderer.main import app
from cv_testing.nats import Nats
from cv_testing.plugin import ServiceDatabase
from cv_testing.serving import eventually, serving

PDFS = "/internal/pdfs/"


@pytest.fixture(scope="session")
async def resumes_bus(nats_server: Nats) -> AsyncIterator[Broker]:
    """The bus as the resumes service publishes on it."""
    login = nats_server.environment("resumes")
    bus = Broker(login["NATS_URL"], login["NATS_USER"], login["NATS_PASSWORD"], service="resumes", publishes=True)
    await bus.start()
    yield bus
    await bus.stop()


def pdfs_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*.pdf"))


async def publish(bus: Broker, event: ResumeDeleted) -> None:
    async def published() -> bool:
        try:
            await bus.publish(event.name, event.model_dump_json().encode(), str(event.id))
        except BrokerUnavailable:
            return False
        return True

    await eventually(published)


async def test_a_deleted_resume_s_files_go_and_none_come_any_more(
    renderer: httpx.AsyncClient,
    resumes_bus: Broker,
    order: dict[str, Any],
    as_resumes: dict[str, str],
    media_folder: Path,
) -> None:
    others = pdfs_in(media_folder)
    paths = [
        (await renderer.post(PDFS, json={**order, "watermark": watermark}, headers=as_resumes)).json()["path"]
        for watermark in (False, True)
    ]
    assert len(pdfs_in(media_folder) - others) == 2

    await publish(resumes_bus, ResumeDeleted(resume_id=order["resume_id"], revision=2))
    await eventually(lambda: pdfs_in(media_folder) <= others)
    for path in paths:
        assert (await renderer.get(path)).status_code == 404
    response = await renderer.post(PDFS, json=order, headers=as_resumes)
    assert (response.status_code, response.json()) == (404, {"detail": "Not found."})
    assert pdfs_in(media_folder) <= others


async def test_with_everything_there_all_is_well(renderer: httpx.AsyncClient, resumes_bus: Broker) -> None:
    async def healthy() -> bool:
        return (await renderer.get("/healthz")).status_code == 200

    await eventually(healthy)


async def test_an_event_told_twice_is_no_matter(
    renderer: httpx.AsyncClient, resumes_bus: Broker, order: dict[str, Any], as_resumes: dict[str, str]
) -> None:
    path = (await renderer.post(PDFS, json=order, headers=as_resumes)).json()["path"]
    event = ResumeDeleted(resume_id=order["resume_id"], revision=2)
    await publish(resumes_bus, event)
    await resumes_bus.publish(event.name, event.model_dump_json().encode(), f"{event.id}-again")

    async def gone() -> bool:
        return (await renderer.get(path)).status_code == 404

    await eventually(gone)
    response = await renderer.post(
        PDFS, json={**order, "resume_id": order["resume_id"] + 2_000_000}, headers=as_resumes
    )
    assert response.status_code == 200


async def test_housekeeping_removes_what_nobody_can_fetch_any_more(
    renderer: httpx.AsyncClient,
    environment: dict[str, str],
    order: dict[str, Any],
    as_resumes: dict[str, str],
    media_folder: Path,
) -> None:
    others = pdfs_in(media_folder)
    old, fresh = ({**order, "watermark": watermark} for watermark in (False, True))
    old_path = (await renderer.post(PDFS, json=old, headers=as_resumes)).json()["path"]
    fresh_path = (await renderer.post(PDFS, json=fresh, headers=as_resumes)).json()["path"]
    token = old_path.split("/")[-2]
    async with await connect_directly(environment["DATABASE_URL"]) as database:
        await database.execute("update links set expires_at = now() - interval '2 hours' where token = %s", (token,))
        await database.execute(
            "update pdfs set used_at = now() - interval '26 hours' from links"
            " where links.pdf_id = pdfs.id and links.token = %s",
            (token,),
        )
        async with serving(app, environment):  # a start is followed by housekeeping at once
            await eventually(lambda: len(pdfs_in(media_folder) - others) == 1)
        cursor = await database.execute("select count(*) as left from links where token = %s", (token,))
        assert await cursor.fetchone() == {"left": 0}
    assert (await renderer.get(old_path)).status_code == 404
    assert (await renderer.get(fresh_path)).status_code == 200


async def test_housekeeping_that_fails_is_told_until_it_succeeds(
    environment: dict[str, str], service_database: ServiceDatabase, tmp_path: Path
) -> None:
    environment = {**environment, "DATABASE_URL": service_database("renderer"), "MEDIA_URL": tmp_path.as_uri()}
    (tmp_path / "pdfs" / "in the way").mkdir(parents=True)  # no file: the store cannot remove it
    async with await connect_directly(environment["DATABASE_URL"]) as database:
        await database.execute(
            "insert into pdfs (key, resume_id, path, discarded_at) values ('key', 1, 'pdfs', now() - interval '1 day')"
        )
    async with serving(app, environment) as renderer:

        async def told() -> bool:
            problems = (await renderer.get("/healthz")).json()["problems"]
            return "housekeeping failed: ServiceUnavailable" in problems.values()

        await eventually(told)
