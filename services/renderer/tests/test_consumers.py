"""The NATS consumer and the scheduled purge: the PDFs of deleted resumes and expired PDFs are deleted."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cv_common.kernel.database import connect_directly
from cv_common.messaging.broker import Broker, BrokerUnavailable
from cv_common.messaging.events import Event, ResumeDeleted
from cv_renderer.main import app
from cv_testing.nats import Nats
from cv_testing.plugin import ServiceDatabase
from cv_testing.serving import eventually, serving

PDFS = "/internal/pdfs/"


@pytest.fixture(scope="session")
async def resumes_broker(nats_server: Nats) -> AsyncIterator[Broker]:
    """Yield a broker connection with the permissions of the resumes service."""
    login = nats_server.environment("resumes")
    broker = Broker(login["NATS_URL"], login["NATS_USER"], login["NATS_PASSWORD"], service="resumes", publishes=True)
    await broker.start()
    yield broker
    await broker.stop()


def pdfs_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*.pdf"))


async def publish(broker: Broker, event: Event) -> None:
    async def published() -> bool:
        try:
            await broker.publish(event.name, event.model_dump_json().encode(), str(event.id))
        except BrokerUnavailable:
            return False
        return True

    await eventually(published)


async def test_a_deleted_resume_loses_its_pdfs_and_gets_no_new_ones(
    renderer: httpx.AsyncClient,
    resumes_broker: Broker,
    pdf_request: dict[str, Any],
    as_resumes: dict[str, str],
    media_folder: Path,
) -> None:
    others = pdfs_in(media_folder)
    paths = [
        (await renderer.post(PDFS, json={**pdf_request, "watermark": watermark}, headers=as_resumes)).json()["path"]
        for watermark in (False, True)
    ]
    assert len(pdfs_in(media_folder) - others) == 2

    await publish(resumes_broker, ResumeDeleted(resume_id=pdf_request["resume_id"], revision=2))
    await eventually(lambda: pdfs_in(media_folder) <= others)
    for path in paths:
        assert (await renderer.get(path)).status_code == 404
    response = await renderer.post(PDFS, json=pdf_request, headers=as_resumes)
    assert (response.status_code, response.json()) == (404, {"detail": "Not found."})
    assert pdfs_in(media_folder) <= others


async def test_healthz_is_200_when_every_component_is_healthy(
    renderer: httpx.AsyncClient, resumes_broker: Broker
) -> None:
    async def healthy() -> bool:
        return (await renderer.get("/healthz")).status_code == 200

    await eventually(healthy)


async def test_a_duplicate_event_has_no_effect(
    renderer: httpx.AsyncClient, resumes_broker: Broker, pdf_request: dict[str, Any], as_resumes: dict[str, str]
) -> None:
    path = (await renderer.post(PDFS, json=pdf_request, headers=as_resumes)).json()["path"]
    event = ResumeDeleted(resume_id=pdf_request["resume_id"], revision=2)
    await publish(resumes_broker, event)
    await resumes_broker.publish(event.name, event.model_dump_json().encode(), f"{event.id}-again")

    async def gone() -> bool:
        return (await renderer.get(path)).status_code == 404

    await eventually(gone)
    response = await renderer.post(
        PDFS, json={**pdf_request, "resume_id": pdf_request["resume_id"] + 2_000_000}, headers=as_resumes
    )
    assert response.status_code == 200


async def test_housekeeping_deletes_pdfs_without_a_valid_link(
    renderer: httpx.AsyncClient,
    environment: dict[str, str],
    pdf_request: dict[str, Any],
    as_resumes: dict[str, str],
    media_folder: Path,
) -> None:
    others = pdfs_in(media_folder)
    old, fresh = ({**pdf_request, "watermark": watermark} for watermark in (False, True))
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
        async with serving(app, environment):  # housekeeping runs at the start
            await eventually(lambda: len(pdfs_in(media_folder) - others) == 1)
        cursor = await database.execute("select count(*) from links where token = %s", (token,))
        assert await cursor.fetchone() == (0,)
    assert (await renderer.get(old_path)).status_code == 404
    assert (await renderer.get(fresh_path)).status_code == 200


async def test_healthz_reports_failed_housekeeping(
    environment: dict[str, str], service_database: ServiceDatabase, tmp_path: Path
) -> None:
    environment = {**environment, "DATABASE_URL": service_database("renderer"), "MEDIA_URL": tmp_path.as_uri()}
    (tmp_path / "pdfs" / "in the way").mkdir(parents=True)  # a folder, which the media store cannot delete as a file
    async with await connect_directly(environment["DATABASE_URL"]) as database:
        await database.execute(
            "insert into pdfs (key, resume_id, path, discarded_at) values ('key', 1, 'pdfs', now() - interval '1 day')"
        )
    async with serving(app, environment) as renderer:

        async def is_reported() -> bool:
            problems = (await renderer.get("/healthz")).json()["problems"]
            return "housekeeping failed: ServiceUnavailable" in problems.values()

        await eventually(is_reported)
