"""The signed session cookie: set, read, extended and deleted."""

import json

import pytest
from aiohttp import web

from gateway.tests.conftest import MakeGateway
from gateway.tests.credentials import SESSION_ID, bearer, cookie, mark, signed
from gateway.tests.world import SESSION_KEY, AuthKeys, FakeServices, RunningGateway


async def test_a_session_start_of_a_service_sets_the_signed_cookie(
    gateway: RunningGateway, services: FakeServices
) -> None:
    async def start(_: web.Request) -> web.StreamResponse:
        return web.json_response({"id": 1}, status=201, headers={"X-Session-Start": SESSION_ID})

    services["resumes"].respond = start
    response = await gateway.client.post("/api/resumes/", json={})

    assert response.headers.get_list("set-cookie") == [
        f"sessionid={signed(SESSION_ID)}; Max-Age=7776000; Path=/; HttpOnly; SameSite=Lax",
        f"{mark(SESSION_ID)}; Max-Age=7776000; Path=/; HttpOnly; SameSite=Lax",
    ]
    assert "x-session-start" not in response.headers
    read = await gateway.client.get("/api/resumes/")
    assert read.headers.get_list("set-cookie") == [
        f"sessionid={signed(SESSION_ID)}; Max-Age=7776000; Path=/; HttpOnly; SameSite=Lax"
    ]


async def test_an_invalid_session_start_of_a_service_sets_no_cookie(
    gateway: RunningGateway, services: FakeServices
) -> None:
    async def start(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, headers={"X-Session-Start": "x; Domain=evil.example"})

    services["resumes"].respond = start
    response = await gateway.client.post("/api/resumes/", json={})

    assert response.status_code == 500
    assert response.json() == {"detail": "A server error occurred."}
    assert "set-cookie" not in response.headers


async def test_the_cookie_identifies_the_session_and_requests_to_resumes_and_payments_extend_it(
    gateway: RunningGateway, services: FakeServices
) -> None:
    for path in ("/api/resumes/", "/api/payments/create-checkout/"):
        response = await gateway.client.post(path, headers=cookie(signed(SESSION_ID)))
        assert response.headers["set-cookie"].startswith(f"sessionid={signed(SESSION_ID)}; Max-Age=7776000")
    for path in ("/api/templates/", "/api/auth/login/"):
        response = await gateway.client.post(path, headers=cookie(signed(SESSION_ID)))
        assert "set-cookie" not in response.headers

    for service in ("resumes", "payments", "templates", "auth"):
        (received,) = services[service].received
        assert received.caller(gateway.public_key).session_id == SESSION_ID
        assert "Cookie" not in received.headers


async def test_a_session_end_of_auth_deletes_the_cookie(gateway: RunningGateway, services: FakeServices) -> None:
    async def end(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, headers={"X-Session-End": "1", "Set-Cookie": "sessionid=mine"})

    services["auth"].respond = end
    response = await gateway.client.post("/api/auth/login/", headers=cookie(signed(SESSION_ID)))

    (deleted,) = response.headers.get_list("set-cookie")
    assert deleted.startswith("sessionid=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; HttpOnly")
    assert "x-session-end" not in response.headers


async def test_the_access_token_takes_precedence_over_the_session_cookie(
    gateway: RunningGateway, services: FakeServices, auth_keys: AuthKeys
) -> None:
    headers = {**bearer(auth_keys.token(user_id=3)), **cookie(signed(SESSION_ID))}
    response = await gateway.client.get("/api/resumes/", headers=headers)

    caller = services["resumes"].received[0].caller(gateway.public_key)
    assert (caller.user_id, caller.session_id) == (3, None)
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "value",
    [
        SESSION_ID,
        f"{SESSION_ID}.",
        f"{SESSION_ID}.AAAA",
        f"{SESSION_ID}.é",
        signed(SESSION_ID)[:-1],
        signed(SESSION_ID) + "x",
        signed("B" + SESSION_ID[1:]).replace("B", "A", 1),
        signed(SESSION_ID, "another key, also of 32 characters or more"),
        signed("short"),
        signed("a" * 31 + "/"),
        "",
        "." * 300,
    ],
)
async def test_a_cookie_without_a_valid_signature_is_ignored(
    gateway: RunningGateway, services: FakeServices, value: str
) -> None:
    request = (
        f"GET /api/resumes/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: sessionid={value}\r\n\r\n".encode()
    )
    response = await gateway.raw(request)

    assert response.startswith(b"HTTP/1.1 200 ")
    assert b"set-cookie" not in response
    assert services["resumes"].received[0].caller(gateway.public_key).session_id is None


async def test_a_forged_cookie_does_not_hide_the_valid_one(gateway: RunningGateway, services: FakeServices) -> None:
    both = f"sessionid=planted.x; theme=dark; sessionid={signed(SESSION_ID)}"
    await gateway.client.get("/api/resumes/", headers={"Cookie": both})

    assert services["resumes"].received[0].caller(gateway.public_key).session_id == SESSION_ID


async def test_session_keys_rotate_and_an_https_cookie_is_secure(
    make_gateway: MakeGateway, services: FakeServices
) -> None:
    new_key = "the next session key, 32 characters or more"
    gateway = await make_gateway(
        SESSION_KEYS=json.dumps([new_key, SESSION_KEY]),
        PUBLIC_BASE_URL="https://cv.example",
        SESSION_COOKIE_SAMESITE="None",
    )
    response = await gateway.client.get("/api/resumes/", headers=cookie(signed(SESSION_ID)))

    assert response.headers["set-cookie"] == (
        f"sessionid={signed(SESSION_ID, new_key)}; Max-Age=7776000; Path=/; HttpOnly; SameSite=None; Secure"
    )
    assert services["resumes"].received[0].caller(gateway.public_key).session_id == SESSION_ID
