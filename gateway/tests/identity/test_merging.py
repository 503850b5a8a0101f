"""Merging of the sessions of one client before its request is forwarded."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from gateway.tests.conftest import MakeGateway
from gateway.tests.credentials import OTHER_SESSION_ID, SESSION_ID, mark, signed, two_sessions
from gateway.tests.world import FakeServices, RunningGateway


@pytest.mark.parametrize("path", ["/api/resumes/1/", "/api/payments/", "/api/auth/login/", "/api/auth/register/"])
async def test_sessions_of_one_client_are_merged_before_the_service_is_called(
    gateway: RunningGateway, services: FakeServices, path: str
) -> None:
    """Auth chooses the remaining session: here the second one, because the first has ended."""
    asked: list[Any] = []

    async def auth(request: web.Request) -> web.StreamResponse:
        received = await services["auth"].record(request)
        if request.path != "/sessions/merge/":
            return web.json_response({})
        asked.append((received.caller(gateway.public_key).session_id, json.loads(received.body)))
        return web.json_response({"session_id": OTHER_SESSION_ID})

    services["auth"].respond = auth
    answer = await gateway.client.post(path, headers=two_sessions())

    assert asked == [(SESSION_ID, {"session_ids": [SESSION_ID, OTHER_SESSION_ID]})]
    received = services[path.split("/")[2]].received[-1]
    assert received.caller(gateway.public_key).session_id == OTHER_SESSION_ID
    cookies = answer.headers.get_list("set-cookie")
    assert [each.partition("; Max-Age=")[0] for each in cookies] == [
        f"sessionid={signed(OTHER_SESSION_ID)}", mark(OTHER_SESSION_ID), f"sessionid_{SESSION_ID[:8]}=",
    ]  # fmt: skip
    assert cookies[1].startswith(f"{mark(OTHER_SESSION_ID)}; Max-Age=3600;"), "responses may still be in flight"
    assert cookies[2].startswith(f"sessionid_{SESSION_ID[:8]}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT")


@pytest.mark.parametrize(
    "response",
    [
        web.json_response({"detail": "x"}, status=503),
        web.json_response({"session_id": "x; Domain=evil.example"}),
        web.json_response([]),
        web.Response(body=b"\xff"),
    ],
    ids=["unavailable", "another session", "no object", "no JSON"],
)
async def test_sessions_that_could_not_be_merged_keep_their_marks(
    gateway: RunningGateway, services: FakeServices, response: web.Response
) -> None:
    async def auth(_: web.Request) -> web.StreamResponse:
        return web.Response(status=response.status, body=response.body, content_type="application/json")

    services["auth"].respond = auth
    read = await gateway.client.get("/api/resumes/", headers=two_sessions())

    assert read.status_code == 200
    assert services["resumes"].received[0].caller(gateway.public_key).session_id == SESSION_ID
    cookies = [each.partition("; Max-Age=")[0] for each in read.headers.get_list("set-cookie")]
    assert cookies == [f"sessionid={signed(SESSION_ID)}", *sorted([mark(SESSION_ID), mark(OTHER_SESSION_ID)])]


async def test_login_keeps_the_mark_of_a_session_that_could_not_be_merged(
    gateway: RunningGateway, services: FakeServices
) -> None:
    """The login claims only the session of `sessionid`; the next login claims the session of the remaining mark."""

    async def auth(request: web.Request) -> web.StreamResponse:
        await services["auth"].record(request)
        if request.path == "/sessions/merge/":
            return web.json_response({"detail": "x"}, status=503)
        return web.json_response({}, headers={"X-Session-End": "1"})

    services["auth"].respond = auth
    response = await gateway.client.post("/api/auth/login/", headers=two_sessions())

    gateway.client.cookies.clear()
    cookies = response.headers.get_list("set-cookie")
    assert [each.partition("; Path=")[0] for each in cookies] == [
        "sessionid=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        f"sessionid_{SESSION_ID[:8]}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        f"{mark(OTHER_SESSION_ID)}; Max-Age=7776000",
    ]
    response = await gateway.client.post("/api/auth/login/", headers={"Cookie": mark(OTHER_SESSION_ID)})
    assert services["auth"].received[-1].caller(gateway.public_key).session_id == OTHER_SESSION_ID
    cookies = response.headers.get_list("set-cookie")
    assert [each.partition("; Max-Age=")[0] for each in cookies] == ["sessionid=", f"sessionid_{OTHER_SESSION_ID[:8]}="]


async def test_hanging_merges_delay_at_most_16_requests_until_their_timeout(
    make_gateway: MakeGateway, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Auth starts a response and never ends it."""
    monkeypatch.setattr("cv_gateway.identity.merging._TIMEOUT", 1.0)
    gateway = await make_gateway()
    merging: list[str] = []
    given_up = asyncio.Event()

    async def auth(request: web.Request) -> web.StreamResponse:
        merging.append(request.path)
        answer = web.StreamResponse()
        answer.content_length = 100
        await answer.prepare(request)
        await given_up.wait()
        return answer

    services["auth"].respond = auth
    try:
        read = (gateway.client.get("/api/resumes/", headers=two_sessions()) for _ in range(20))
        answers = await asyncio.gather(*read)
    finally:
        given_up.set()

    assert {answer.status_code for answer in answers} == {200}
    assert merging == ["/sessions/merge/"] * 16
    for answer in answers:
        cookies = {each.partition("; Max-Age=")[0] for each in answer.headers.get_list("set-cookie")}
        assert cookies == {f"sessionid={signed(SESSION_ID)}", mark(SESSION_ID), mark(OTHER_SESSION_ID)}
