"""The HTTP routes, and how replicas and services learn of changes."""

import re
from contextlib import AsyncExitStack
from uuid import UUID

import httpx
import psycopg
import pytest
from cv_common.messaging.broker import Broker
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import TemplateChanged
from cv_templates.main import app
from cv_testing.identity import IdentityKeys
from cv_testing.nats import Nats
from cv_testing.postgres import Postgres
from cv_testing.serving import eventually, serving

from services.templates.tests.conftest import CatalogFolder, Load


class Reader:
    """Reads as one visitor."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={**self.headers, **headers})

    async def names(self, path: str = "/api/templates/") -> list[str]:
        return [template["name"] for template in (await self.get(path)).json()]

    async def expect(self, *names: str) -> None:
        """Wait until exactly these templates are listed."""

        async def listed() -> bool:
            answer = await self.get("/api/templates/")
            return answer.is_success and [template["name"] for template in answer.json()] == list(names)

        await eventually(listed)


@pytest.fixture
def reader(templates: httpx.AsyncClient, visitor: dict[str, str]) -> Reader:
    return Reader(templates, visitor)


async def test_services_still_get_a_template_that_left_the_catalog(
    catalog: CatalogFolder, load: Load, reader: Reader, resumes: dict[str, str]
) -> None:
    catalog.write("early")
    catalog.write("late", is_premium=True)
    await load(catalog.path)
    await reader.expect("Early", "Late")

    (catalog.path / "early").rename(catalog.path / ".early")
    await load(catalog.path)
    await reader.expect("Late")
    assert await reader.names("/api/templates/free/") == []
    assert (await reader.get("/api/templates/1/")).status_code == 404
    internal = (await reader.client.get("/internal/templates/1/", headers=resumes)).json()
    assert internal["is_active"] is False
    assert internal["template_html"] == "<h1>early</h1>"

    (catalog.path / ".early").rename(catalog.path / "early")
    await load(catalog.path)
    await reader.expect("Early", "Late")
    assert (await reader.get("/api/templates/1/")).json()["name"] == "Early"


async def test_services_get_the_sources_of_a_template(
    catalog: CatalogFolder, load: Load, reader: Reader, resumes: dict[str, str]
) -> None:
    catalog.write("paid", is_premium=True)
    await load(catalog.path)
    await reader.expect("Paid")
    assert (await reader.client.get("/internal/templates/default/", headers=resumes)).status_code == 404

    catalog.write("first", html="<p>{{ resume.full_name }}</p>")
    catalog.write("second")
    await load(catalog.path)
    await reader.expect("Paid", "First", "Second")
    first = (await reader.client.get("/internal/templates/2/", headers=resumes)).json()
    assert re.fullmatch("[0-9a-f]{64}", first.pop("version"))
    assert first == {
        "id": 2,
        "name": "First",
        "is_premium": False,
        "is_active": True,
        "template_html": "<p>{{ resume.full_name }}</p>",
        "template_css": ".first { color: black }",
    }
    default = await reader.client.get("/internal/templates/default/", headers=resumes)
    assert default.json()["id"] == 2
    assert (await reader.client.get("/internal/templates/4/", headers=resumes)).status_code == 404


async def test_internal_routes_are_for_services_and_public_routes_for_the_gateway(
    reader: Reader, resumes: dict[str, str]
) -> None:
    for path in ("/internal/templates/1/", "/internal/templates/default/"):
        assert (await reader.get(path)).status_code == 404
        assert (await reader.client.get(path)).status_code == 401
    assert (await reader.client.get("/api/templates/", headers=resumes)).status_code == 404
    anonymous = await reader.client.get("/api/templates/")
    assert anonymous.status_code == 401
    assert anonymous.json() == {"detail": "Authentication credentials were not provided."}


async def test_if_none_match_answers_304_until_the_catalog_changes(
    catalog: CatalogFolder, load: Load, reader: Reader
) -> None:
    catalog.write("plain")
    await load(catalog.path)
    await reader.expect("Plain")
    paths = ("/api/templates/", "/api/templates/free/", "/api/templates/1/")
    before = {path: await reader.get(path) for path in paths}
    for path, first in before.items():
        etag = first.headers["etag"]
        assert first.headers["cache-control"] == "public, no-cache"
        for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            again = await reader.get(path, **{"If-None-Match": held})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == etag
            assert again.headers["cache-control"] == "public, no-cache"
        assert (await reader.get(path, **{"If-None-Match": '"other"'})).content == first.content

    catalog.write("plain", name="Renamed", position=1)
    await load(catalog.path)
    await reader.expect("Renamed")
    for path, first in before.items():
        changed = await reader.get(path, **{"If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200
        assert changed.headers["etag"] != first.headers["etag"]


async def test_thumbnails_are_public_and_cacheable(
    catalog: CatalogFolder, load: Load, templates: httpx.AsyncClient
) -> None:
    catalog.write("plain_one")
    await load(catalog.path)
    picture = await templates.get("/media/templates/plain_one.png")
    assert picture.status_code == 200
    assert picture.content.startswith(b"\x89PNG")
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["cache-control"] == "public, max-age=3600"
    assert picture.headers["x-content-type-options"] == "nosniff"
    held = {"If-None-Match": picture.headers["etag"]}
    assert (await templates.get("/media/templates/plain_one.png", headers=held)).status_code == 304


async def test_other_thumbnail_names_are_not_found(
    catalog: CatalogFolder, load: Load, templates: httpx.AsyncClient
) -> None:
    catalog.write("plain")
    await load(catalog.path)
    names = ("plain", "plain.jpg", "other.png", ".png", "..png", "..%2Fplain.png", "%00.png", "Plain.png")
    for name in (*names, f"{'a' * 5000}.png"):
        missing = await templates.get(f"/media/templates/{name}")
        assert (missing.status_code, missing.json()) == (404, {"detail": "Not found."}), name


async def test_invalid_ids_are_not_found(catalog: CatalogFolder, load: Load, reader: Reader) -> None:
    catalog.write("plain")
    await load(catalog.path)
    await reader.expect("Plain")
    for template_id in ("0", "-1", "99", str(2**63), "9" * 5000, "1;drop", "abc", "%D9%A1", "1.0"):
        missing = await reader.get(f"/api/templates/{template_id}/")
        assert (missing.status_code, missing.json()) == (404, {"detail": "Not found."}), template_id


async def test_templates_are_read_only(reader: Reader) -> None:
    refused = await reader.client.post("/api/templates/", headers=reader.headers, json={})
    assert (refused.status_code, refused.json()) == (405, {"detail": 'Method "POST" not allowed.'})
    assert refused.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_every_replica_follows_the_catalog(
    catalog: CatalogFolder,
    load: Load,
    environment: dict[str, str],
    identity_keys: IdentityKeys,
) -> None:
    visitor = identity_keys.stranger("templates")
    async with serving(app, environment) as one, serving(app, environment) as other:
        replicas = [Reader(one, visitor), Reader(other, visitor)]
        for names in (["one"], ["one", "two"], ["one", "two", "three"]):
            catalog.write(names[-1])
            await load(catalog.path)
            for replica in replicas:
                await replica.expect(*(name.title() for name in names))


async def test_a_change_reaches_resumes_as_an_event(
    catalog: CatalogFolder, load: Load, templates: httpx.AsyncClient, environment: dict[str, str], nats_server: Nats
) -> None:
    received: dict[UUID, TemplateChanged] = {}

    async def receive(event: TemplateChanged) -> None:
        received[event.id] = event

    async def is_received() -> bool:
        return event_id in received

    login = nats_server.environment("resumes")
    broker = Broker(login["NATS_URL"], login["NATS_USER"], login["NATS_PASSWORD"], service="resumes")
    consumer = Consumer(broker, {TemplateChanged: receive})
    async with AsyncExitStack() as stack:
        for component in (broker, consumer):
            await component.start()
            stack.push_async_callback(component.stop)
        catalog.write("paid", is_premium=True)
        await load(catalog.path)
        with psycopg.connect(environment["DATABASE_URL"]) as connection:
            [(event_id,)] = connection.execute("select event_id from outbox").fetchall()
        await eventually(is_received)
    event = received[event_id]
    assert (event.template_id, event.is_premium, event.is_active) == (1, True, True)
    assert (await templates.get("/healthz")).json()["problems"] == {}


async def test_a_replica_follows_again_after_its_connection_was_lost(
    catalog: CatalogFolder, load: Load, reader: Reader, environment: dict[str, str]
) -> None:
    catalog.write("one")
    await load(catalog.path)
    await reader.expect("One")
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as operator:
        operator.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
        operator.execute("update templates set name = 'Missed'")
    await reader.expect("Missed")
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as operator:
        operator.execute("update templates set name = 'Seen'")
    await reader.expect("Seen")


async def test_a_manual_change_of_the_table_is_served(
    catalog: CatalogFolder, load: Load, reader: Reader, environment: dict[str, str]
) -> None:
    catalog.write("one")
    catalog.write("two")
    await load(catalog.path)
    await reader.expect("One", "Two")
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as operator:
        operator.execute("update templates set is_active = false where slug = 'one'")
    await reader.expect("Two")


@pytest.mark.operations
async def test_the_last_catalog_is_served_while_the_database_is_down(
    catalog: CatalogFolder, load: Load, reader: Reader, environment: dict[str, str], postgres: Postgres
) -> None:
    catalog.write("one")
    await load(catalog.path)
    await reader.expect("One")

    async def health() -> int:
        return (await reader.client.get("/healthz")).status_code

    async def unwell() -> bool:
        return await health() == 503

    with postgres.outage(environment["DATABASE_URL"]):
        await eventually(unwell)
        assert await reader.names() == ["One"]
        assert "The database does not answer" in (await load(catalog.path)).err

    catalog.write("two")
    assert (await load(catalog.path)).code == 0
    await reader.expect("One", "Two")
    assert await health() == 200


@pytest.mark.operations
async def test_a_replica_that_never_read_the_catalog_answers_503(
    catalog: CatalogFolder, load: Load, environment: dict[str, str], visitor: dict[str, str], postgres: Postgres
) -> None:
    catalog.write("one")
    await load(catalog.path)
    async with AsyncExitStack() as running:
        with postgres.outage(environment["DATABASE_URL"]):
            client = await running.enter_async_context(serving(app, environment))
            refused = await client.get("/api/templates/", headers=visitor)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
        await Reader(client, visitor).expect("One")
