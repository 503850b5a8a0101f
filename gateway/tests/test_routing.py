"""Routing of public paths; other paths are not found."""

import httpx
import pytest

from gateway.tests.world import FakeServices, RunningGateway


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/api/auth/profile/", "auth"),
        ("/api/templates/", "templates"),
        ("/api/resumes/1/", "resumes"),
        ("/api/payments/webhook/", "payments"),
        ("/media/templates/modern.png", "templates"),
        ("/media/resumes/photos/abc/john.jpg", "resumes"),
        ("/media/resumes/pdfs/abc/john_doe_cv_20251029.pdf", "renderer"),
    ],
)
async def test_each_public_prefix_is_routed_to_its_service(
    gateway: RunningGateway, services: FakeServices, path: str, service: str
) -> None:
    response = await gateway.client.get(path)

    assert response.json() == {"service": service}
    assert services[service].received[0].path == path


async def test_a_missing_trailing_slash_is_added_without_a_redirect(
    gateway: RunningGateway, services: FakeServices
) -> None:
    response = await gateway.client.post("/api/resumes?x=1", json={"title": "Lead"})

    assert response.status_code == 200
    (received,) = services["resumes"].received
    assert (received.path, received.body) == ("/api/resumes/?x=1", b'{"title":"Lead"}')


async def test_a_head_request_is_forwarded_as_get_and_its_body_dropped(
    gateway: RunningGateway, services: FakeServices
) -> None:
    response = await gateway.client.head("/api/templates/")

    assert services["templates"].received[0].method == "GET"
    assert response.content == b""
    assert response.headers["content-length"] == str(len(b'{"service": "templates"}'))


async def test_a_query_is_forwarded_unchanged(gateway: RunningGateway, services: FakeServices) -> None:
    query = "a=%2F..%2F&b=%C3%A9&c=1+2&&d"
    await gateway.client.get(httpx.URL(f"http://127.0.0.1:{gateway.port}/api/resumes/", query=query.encode()))

    assert services["resumes"].received[0].path == f"/api/resumes/?{query}"


@pytest.mark.parametrize(
    "path",
    [
        "/internal/resumes/1/",
        "/api/internal/resumes/1/",
        "/api/resumes/../../internal/resumes/1/",
        "/api/resumes/./1/",
        "/api/resumes/%2e%2e/%2e%2e/internal/resumes/1/",
        "/api/resumes/..%2f..%2finternal/resumes/1/",
        "/api/resumes//internal/",
        "//internal/resumes/1/",
        "/api/resumes/1\\..\\internal",
        "/api/resumes/%00",
        "/api/resumes/é/",
        "/API/resumes/",
        "/api/",
        "/api/resumesX/",
        "/api/nothing/",
        "/media/",
        "/media/resumes/pdfs/../../../internal/",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/.well-known/jwks.json",
    ],
)
async def test_paths_that_are_not_public_are_not_found(
    gateway: RunningGateway, services: FakeServices, path: str
) -> None:
    request = b"GET " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    response = await gateway.raw(request)

    assert response.startswith(b"HTTP/1.1 404 ")
    assert response.endswith(b'{"detail":"Not found."}')
    assert not any(service.received for service in services.values())


async def test_non_ascii_bytes_of_a_query_are_percent_encoded(gateway: RunningGateway, services: FakeServices) -> None:
    request = b"GET /api/templates/?a=\xc3\xa9&b=%20~ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert (await gateway.raw(request)).startswith(b"HTTP/1.1 200 ")
    (received,) = services["templates"].received
    assert received.path == "/api/templates/?a=%C3%A9&b=%20~"


@pytest.mark.parametrize("method", ["get", "PROPFIND"])
async def test_an_unknown_method_is_a_405(gateway: RunningGateway, services: FakeServices, method: str) -> None:
    request = f"{method} /api/templates/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    response = await gateway.raw(request)

    assert response.startswith(b"HTTP/1.1 405 ")
    assert f'{{"detail":"Method \\"{method}\\" not allowed."}}'.encode() in response
    assert not services["templates"].received
