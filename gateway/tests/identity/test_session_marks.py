"""The mark cookies, which keep the sessions of a client that are not merged yet."""

import pytest
from aiohttp import web

from gateway.tests.credentials import OTHER_SESSION_ID, SESSION_ID, bearer, cookie, mark, signed, two_sessions
from gateway.tests.world import AuthKeys, FakeServices, RunningGateway


@pytest.mark.parametrize(
    ("method", "sent", "started", "marks"),
    [
        ("POST", "", SESSION_ID, [(SESSION_ID, 7776000)]),
        ("GET", "", SESSION_ID, []),
        ("POST", f"sessionid={signed(SESSION_ID)}", None, [(SESSION_ID, 3600)]),
        ("POST", f"sessionid={signed(SESSION_ID)}; {mark(SESSION_ID)}", None, []),
        ("PATCH", f"sessionid={signed(SESSION_ID)}", None, []),
        ("PATCH", f"sessionid={signed(SESSION_ID)}; {mark(SESSION_ID)}", None, []),
    ],
)
async def test_a_mark_set_with_its_session_lasts_as_long_as_the_session(
    gateway: RunningGateway, services: FakeServices, method: str, sent: str, started: str | None,
    marks: list[tuple[str, int]],
) -> None:  # fmt: skip
    """A creation in an existing session sets a mark for an hour, unless there is one."""

    async def answer_with(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, headers={"X-Session-Start": started} if started else {})

    services["resumes"].respond = answer_with
    response = await gateway.client.request(method, "/api/resumes/", headers={"Cookie": sent} if sent else {})

    cookie, *rest = [each.partition("; Path=")[0] for each in response.headers.get_list("set-cookie")]
    assert cookie == f"sessionid={signed(SESSION_ID)}; Max-Age=7776000"
    assert rest == [f"{mark(session_id)}; Max-Age={seconds}" for session_id, seconds in marks]


async def test_a_mark_without_a_session_cookie_identifies_the_session(
    gateway: RunningGateway, services: FakeServices
) -> None:
    response = await gateway.client.get("/api/resumes/", headers={"Cookie": mark(SESSION_ID)})

    assert services["resumes"].received[0].caller(gateway.public_key).session_id == SESSION_ID
    assert response.headers["set-cookie"].startswith(f"sessionid={signed(SESSION_ID)}; Max-Age=7776000")
    assert not services["auth"].received


async def test_marks_are_ignored_for_a_logged_in_user(
    gateway: RunningGateway, services: FakeServices, auth_keys: AuthKeys
) -> None:
    response = await gateway.client.get("/api/resumes/", headers={**bearer(auth_keys.token()), **two_sessions()})

    assert "set-cookie" not in response.headers
    assert not services["auth"].received


async def test_a_replaced_session_is_marked(gateway: RunningGateway, services: FakeServices) -> None:
    async def start(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=201, headers={"X-Session-Start": OTHER_SESSION_ID})

    services["resumes"].respond = start
    response = await gateway.client.post("/api/resumes/", headers=cookie(signed(SESSION_ID)))

    cookies = [each.partition("; Max-Age=")[0] for each in response.headers.get_list("set-cookie")]
    marks = sorted([mark(SESSION_ID), mark(OTHER_SESSION_ID)])
    assert cookies == [f"sessionid={signed(OTHER_SESSION_ID)}", *marks]
