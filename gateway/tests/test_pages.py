"""The gateway's own pages: complete, local, and safe to open in a browser."""

import gzip
import re
import subprocess
import sys

import pytest

from gateway.tests.world import FakeService, RunningGateway

PAGES = ["/", "/api/docs/"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_and_all_it_loads_come_from_here(gateway: RunningGateway, path: str) -> None:
    page = await gateway.client.get(path)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert loaded
    for each in loaded:
        assert each.startswith("/")
        assert (await gateway.client.get(each)).status_code == 200
    assert not re.search(r"<script>|<style|style=|\son\w+=|https?://(?!localhost)", page.text)


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_runs_nothing_that_is_not_from_here(gateway: RunningGateway, path: str) -> None:
    policy = (await gateway.client.get(path)).headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


async def test_the_landing_page_shows_how_to_begin(gateway: RunningGateway) -> None:
    text = (await gateway.client.get("/")).text

    assert len(re.findall(r"<code>curl ", text)) == 3
    assert f"http://localhost:{gateway.port}/api/resumes/" in text
    assert {"/api/docs/", "/api/schema/", "/healthz"} <= set(re.findall(r'href="([^"]+)"', text))


async def test_pages_answer_without_their_slash_and_only_to_reads(
    gateway: RunningGateway, services: dict[str, FakeService]
) -> None:
    assert (await gateway.client.get("/api/docs")).status_code == 200
    head = await gateway.client.head("/api/docs/")
    assert (head.status_code, head.content) == (200, b"")
    refused = await gateway.client.post("/healthz")
    assert (refused.status_code, refused.json()) == (405, {"detail": 'Method "POST" not allowed.'})
    assert refused.headers["Allow"] == "GET, HEAD, OPTIONS"
    told = await gateway.client.options("/healthz")
    assert (told.status_code, told.headers["Allow"]) == (200, "GET, HEAD, OPTIONS")
    assert not any(service.received for service in services.values())


async def test_a_page_is_sent_once_and_packed(gateway: RunningGateway) -> None:
    path = "/static/swagger-ui-bundle.js"
    packed = await gateway.client.get(path, headers={"Accept-Encoding": "gzip"})
    plain = await gateway.client.get(path, headers={"Accept-Encoding": "identity"})
    again = await gateway.client.get(path, headers={"If-None-Match": packed.headers["ETag"]})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(plain.content) / 2
    assert packed.content == plain.content
    assert gzip.compress(plain.content, mtime=0)[:2] == b"\x1f\x8b"
    assert (again.status_code, again.content) == (304, b"")
    assert "Accept-Encoding" in packed.headers["Vary"]


@pytest.mark.parametrize("path", ["/static/style.css", "/api/schema/"])
async def test_a_client_may_hold_the_current_page(gateway: RunningGateway, path: str) -> None:
    tag = (await gateway.client.get(path)).headers["ETag"]
    strong = tag.removeprefix("W/")
    for held in (tag, strong, f'"other", {tag}', f'W/"other",{strong}', "*"):
        assert (await gateway.client.get(path, headers={"If-None-Match": held})).status_code == 304, held
    for other in ('"other"', strong.strip('"'), f'"{tag}"', ""):
        assert (await gateway.client.get(path, headers={"If-None-Match": other})).status_code == 200, other


async def test_being_alive_is_public(gateway: RunningGateway) -> None:
    answer = await gateway.client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_gateway_loads_no_framework_it_does_not_use() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import cv_gateway.main, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip

    assert not {"fastapi", "sqlalchemy", "psycopg", "nats"} & set(loaded)
