"""CORS, the CSRF check of the session cookie, and security headers."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from gateway.tests.conftest import MakeGateway
from gateway.tests.credentials import SESSION_ID, bearer, cookie, signed
from gateway.tests.world import (
    FRONTEND,
    AuthKeys,
    FakeServices,
    RunningGateway,
    embedded_gateway,
)

EXPOSED = {"Accept-Ranges", "Content-Range", "ETag", "Link", "Location", "Retry-After", "X-Request-Id", "X-Total-Count"}


@pytest.fixture(scope="module")
async def localhost_gateway(all_services: FakeServices) -> AsyncIterator[RunningGateway]:
    async with embedded_gateway(all_services, {"CORS_ALLOW_LOCALHOST": "true"}) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/healthz", 200),
        ("/api/templates/", 200),
        ("/api/nothing/", 404),
        ("/api/resumes/?bad-token", 401),
        ("/media/resumes/pdfs/a/cv.pdf", 200),
    ],
)
async def test_an_allowed_origin_may_read_every_response(gateway: RunningGateway, path: str, status: int) -> None:
    headers = {"Origin": FRONTEND} | (bearer("bad") if "bad-token" in path else {})
    response = await gateway.client.get(path, headers=headers)

    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == FRONTEND
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert set(response.headers["Access-Control-Expose-Headers"].split(", ")) == EXPOSED
    assert "Origin" in response.headers["Vary"].split(", ")


@pytest.mark.parametrize("origin", [None, "https://evil.example", "https://cv.example.evil.example", "null", "*", ""])
@pytest.mark.parametrize("path", ["/api/templates/", "/api/nothing/", "/healthz"])
async def test_another_origin_gets_no_cors_headers_but_vary(
    gateway: RunningGateway, path: str, origin: str | None
) -> None:
    response = await gateway.client.get(path, headers={} if origin is None else {"Origin": origin})

    assert not [name for name in response.headers if name.startswith("access-control-")]
    assert "Origin" in response.headers["Vary"].split(", ")


async def test_the_vary_header_of_a_service_is_kept_and_its_cors_headers_are_dropped(
    gateway: RunningGateway, services: FakeServices
) -> None:
    async def varied(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, headers={"Vary": "Accept-Language", "Access-Control-Allow-Origin": "*"})

    services["templates"].respond = varied
    response = await gateway.client.get("/api/templates/", headers={"Origin": FRONTEND})

    assert response.headers.get_list("Vary") == ["Accept-Language, Origin"]
    assert response.headers.get_list("Access-Control-Allow-Origin") == [FRONTEND]


async def test_the_gateway_answers_the_preflight_of_an_allowed_origin(
    gateway: RunningGateway, services: FakeServices
) -> None:
    asked = {
        "Origin": FRONTEND,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,if-match",
    }
    response = await gateway.client.options("/api/resumes/1/", headers=asked)

    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["Access-Control-Allow-Origin"] == FRONTEND
    assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert set(asked["Access-Control-Request-Headers"].split(",")) <= set(allowed)
    assert int(response.headers["Access-Control-Max-Age"]) > 0
    assert not services["resumes"].received


async def test_a_preflight_of_another_origin_allows_nothing(gateway: RunningGateway, services: FakeServices) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PATCH"}
    response = await gateway.client.options("/api/resumes/1/", headers=asked)

    assert not [name for name in response.headers if name.startswith("access-control-")]
    assert not services["resumes"].received


async def test_an_options_request_that_is_no_preflight_is_forwarded(
    gateway: RunningGateway, services: FakeServices
) -> None:
    await gateway.client.options("/api/resumes/1/")

    assert services["resumes"].received[0].method == "OPTIONS"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://cv.example", "https://cv.example:444", "http://127.0.0.1:1"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_with_the_cookie_from_an_untrusted_origin_is_refused(
    gateway: RunningGateway, services: FakeServices, method: str, origin: str
) -> None:
    headers = {**cookie(signed(SESSION_ID)), "Origin": origin}
    response = await gateway.client.request(method, "/api/resumes/1/", headers=headers)

    assert response.status_code == 403
    assert response.json() == {
        "detail": f"CSRF Failed: Origin checking failed - {origin} does not match any trusted origins."
    }
    assert not services["resumes"].received


async def test_the_same_host_with_another_scheme_is_untrusted(gateway: RunningGateway) -> None:
    for scheme, status in (("http", 200), ("https", 403), ("x", 403)):
        headers = {**cookie(signed(SESSION_ID)), "Origin": f"{scheme}://127.0.0.1:{gateway.port}"}
        assert (await gateway.client.patch("/api/resumes/1/", headers=headers)).status_code == status


async def test_a_login_with_the_cookie_from_an_untrusted_origin_is_refused(
    gateway: RunningGateway, services: FakeServices
) -> None:
    headers = {**cookie(signed(SESSION_ID)), "Origin": "https://evil.example"}
    response = await gateway.client.post("/api/auth/login/", headers=headers)

    assert response.status_code == 403
    assert not services["auth"].received


async def test_a_cross_site_write_without_origin_is_refused(gateway: RunningGateway) -> None:
    headers = {**cookie(signed(SESSION_ID)), "Sec-Fetch-Site": "cross-site"}

    assert (await gateway.client.post("/api/resumes/", headers=headers)).status_code == 403


async def test_writes_from_trusted_origins_and_all_reads_are_accepted(gateway: RunningGateway) -> None:
    session = cookie(signed(SESSION_ID))
    public = {"Origin": f"http://localhost:{gateway.port}"}
    same_host = {"Origin": f"http://127.0.0.1:{gateway.port}"}
    for origin in ({"Origin": FRONTEND}, public, same_host, {}):
        assert (await gateway.client.post("/api/resumes/", headers={**session, **origin})).status_code == 200
    untrusted = {"Origin": "https://evil.example"}
    assert (await gateway.client.get("/api/resumes/", headers={**session, **untrusted})).status_code == 200


async def test_a_write_without_a_valid_session_cookie_needs_no_trusted_origin(
    gateway: RunningGateway, auth_keys: AuthKeys
) -> None:
    untrusted = {"Origin": "https://evil.example"}
    for headers in (bearer(auth_keys.token()), cookie("self-chosen.x"), {}):
        assert (await gateway.client.post("/api/resumes/", headers={**headers, **untrusted})).status_code == 200


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("http://localhost:5173", True),
        ("http://127.0.0.1:3000", True),
        ("http://localhost", True),
        ("https://localhost:5173", False),
        ("http://localhost.evil.example:5173", False),
        ("http://localhost:5173.evil.example", False),
        ("http://localhost:x", False),
        ("http://127.0.0.2:3000", False),
    ],
)
async def test_cors_allow_localhost_trusts_every_local_port(
    localhost_gateway: RunningGateway, gateway: RunningGateway, origin: str, is_allowed: bool
) -> None:
    headers = {**cookie(signed(SESSION_ID)), "Origin": origin}
    preflight_headers = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    expected = (origin, "true") if is_allowed else (None, None)
    for running, allowed in ((localhost_gateway, expected), (gateway, (None, None))):
        for response in (
            await running.client.get("/api/templates/", headers={"Origin": origin}),
            await running.client.options("/api/resumes/1/", headers=preflight_headers),
        ):
            cors = [response.headers.get(f"Access-Control-Allow-{name}") for name in ("Origin", "Credentials")]
            assert tuple(cors) == allowed
    written = await localhost_gateway.client.patch("/api/resumes/1/", headers=headers)
    assert written.status_code == (200 if is_allowed else 403)
    assert (await gateway.client.patch("/api/resumes/1/", headers=headers)).status_code == 403


@pytest.mark.parametrize("path", ["/", "/api/templates/", "/api/nothing/", "/healthz"])
async def test_every_response_has_security_headers(gateway: RunningGateway, path: str) -> None:
    headers = (await gateway.client.get(path)).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in headers


async def test_other_origins_may_show_media_and_its_own_headers_are_kept(
    gateway: RunningGateway, services: FakeServices
) -> None:
    async def pdf(_: web.Request) -> web.StreamResponse:
        own = {"Cache-Control": "private, no-store", "Content-Disposition": 'inline; filename="cv.pdf"'}
        return web.Response(body=b"%PDF", content_type="application/pdf", headers=own)

    services["renderer"].respond = pdf
    headers = (await gateway.client.get("/media/resumes/pdfs/token/cv.pdf")).headers

    assert headers.get_list("Cache-Control") == ["private, no-store"]
    assert headers["Content-Disposition"] == 'inline; filename="cv.pdf"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "X-Frame-Options" not in headers


async def test_an_https_system_sends_hsts(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(PUBLIC_BASE_URL="https://api.cv.example")
    headers = (await gateway.client.get("/healthz")).headers

    assert headers["Strict-Transport-Security"] == "max-age=31536000"
