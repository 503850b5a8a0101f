"""The gateway's own pages: complete, without foreign resources, cacheable."""

import gzip
import re
import subprocess
import sys

import pytest

from gateway.tests.world import FakeServices, RunningGateway

PAGES = ["/", "/api/docs/"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_only_files_of_the_gateway(gateway: RunningGateway, path: str) -> None:
    page = await gateway.client.get(path)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert loaded
    for each in loaded:
        assert each.startswith("/")
        assert (await gateway.client.get(each)).status_code == 200
    assert not re.search(r"<script>|<style|style=|\son\w+=|https?://(?!localhost)", page.text)


@pytest.mark.parametrize("path", PAGES)
async def test_the_content_security_policy_of_a_page_allows_only_own_scripts(
    gateway: RunningGateway, path: str
) -> None:
    policy = (await gateway.client.get(path)).headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


async def test_the_landing_page_shows_the_first_requests(gateway: RunningGateway) -> None:
    text = (await gateway.client.get("/")).text

    assert len(re.findall(r"<code>curl ", text)) == 3
    assert f"http://localhost:{gateway.port}/api/resumes/" in text
    assert {"/api/docs/", "/api/schema/", "/healthz"} <= set(re.findall(r'href="([^"]+)"', text))


async def test_pages_need_no_trailing_slash_and_are_read_only(gateway: RunningGateway, services: FakeServices) -> None:
    assert (await gateway.client.get("/api/docs")).status_code == 200
    head = await gateway.client.head("/api/docs/")
    assert (head.status_code, head.content) == (200, b"")
    refused = await gateway.client.post("/healthz")
    assert (refused.status_code, refused.json()) == (405, {"detail": 'Method "POST" not allowed.'})
    assert refused.headers["Allow"] == "GET, HEAD, OPTIONS"
    options = await gateway.client.options("/healthz")
    assert (options.status_code, options.headers["Allow"]) == (200, "GET, HEAD, OPTIONS")
    assert not any(service.received for service in services.values())


async def test_a_page_is_compressed_and_cached_by_etag(gateway: RunningGateway) -> None:
    path = "/static/swagger-ui-bundle.js"
    compressed = await gateway.client.get(path, headers={"Accept-Encoding": "gzip"})
    plain = await gateway.client.get(path, headers={"Accept-Encoding": "identity"})
    again = await gateway.client.get(path, headers={"If-None-Match": compressed.headers["ETag"]})

    assert compressed.headers["Content-Encoding"] == "gzip"
    assert int(compressed.headers["Content-Length"]) < len(plain.content) / 2
    assert compressed.content == plain.content
    assert gzip.compress(plain.content, mtime=0)[:2] == b"\x1f\x8b"
    assert (again.status_code, again.content) == (304, b"")
    assert "Accept-Encoding" in compressed.headers["Vary"]


@pytest.mark.parametrize("path", ["/static/style.css", "/api/schema/"])
async def test_if_none_match_with_the_current_etag_is_a_304(gateway: RunningGateway, path: str) -> None:
    tag = (await gateway.client.get(path)).headers["ETag"]
    strong = tag.removeprefix("W/")
    for held in (tag, strong, f'"other", {tag}', f'W/"other",{strong}', "*"):
        assert (await gateway.client.get(path, headers={"If-None-Match": held})).status_code == 304, held
    for other in ('"other"', strong.strip('"'), f'"{tag}"', ""):
        assert (await gateway.client.get(path, headers={"If-None-Match": other})).status_code == 200, other


async def test_healthz_is_public(gateway: RunningGateway) -> None:
    response = await gateway.client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response.headers["Cache-Control"] == "no-store"


def test_the_gateway_imports_no_unused_framework() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import cv_gateway.main, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip

    assert not {"fastapi", "sqlalchemy", "psycopg", "nats"} & set(loaded)
