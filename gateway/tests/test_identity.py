"""Authentication by access token and session cookie; the signed identity token; the session cookies and their marks."""

import asyncio
import base64
import hmac
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cv_common.kernel.identity import private_key
from cv_testing.serving import eventually

from gateway.tests.conftest import MakeGateway
from gateway.tests.world import SESSION_KEY, AuthKeys, FakeService, FakeServices, RunningGateway

BAD_TOKEN = {
    "detail": "Given token not valid for any token type",
    "code": "token_not_valid",
    "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid"}],
}
SESSION_ID = "AbcDefGhiJklMnoPqrStuVwxYz01234_"
OTHER_SESSION_ID = "-yxwvutsrqponmlkjihgfedcba987654"


def signed(session_id: str, key: str = SESSION_KEY) -> str:
    digest = hmac.digest(key.encode(), session_id.encode(), "sha256")
    return f"{session_id}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def mark(session_id: str) -> str:
    """Return the mark cookie of a session."""
    return f"sessionid_{session_id[:8]}={signed(session_id)}"


def cookie(value: str) -> dict[str, str]:
    return {"Cookie": f"sessionid={value}"}


async def test_the_service_receives_an_identity_token_of_the_user(
    gateway: RunningGateway, services: FakeServices, auth_keys: AuthKeys
) -> None:
    await gateway.client.get("/api/resumes/", headers=bearer(auth_keys.token(user_id=42)))

    (received,) = services["resumes"].received
    caller = received.caller(gateway.public_key)
    assert (caller.issuer, caller.user_id, caller.session_id) == ("gateway", 42, None)
    assert "Authorization" not in received.headers


async def test_only_an_import_receives_the_email_of_the_account(
    gateway: RunningGateway, services: FakeServices, auth_keys: AuthKeys
) -> None:
    headers = bearer(auth_keys.token(user_id=42, email="marie@example.com"))
    await gateway.client.get("/api/resumes/", headers=headers)
    await gateway.client.post("/api/resumes/import_linkedin/", headers=headers)
    await gateway.client.post("/api/resumes/import_linkedin/", headers=bearer(auth_keys.token(user_id=42)))

    callers = [received.caller(gateway.public_key) for received in services["resumes"].received]
    assert [caller.email for caller in callers] == [None, "marie@example.com", None]


async def test_without_token_and_cookie_the_caller_has_no_identity(
    gateway: RunningGateway, services: FakeServices
) -> None:
    await gateway.client.get("/api/resumes/")

    caller = services["resumes"].received[0].caller(gateway.public_key)
    assert (caller.user_id, caller.session_id) == (None, None)


async def test_identity_tokens_expire_after_a_minute_and_are_reused(
    gateway: RunningGateway, services: FakeServices
) -> None:
    for _ in range(2):
        await gateway.client.get("/api/resumes/")

    first, second = (each.headers["X-Identity"] for each in services["resumes"].received)
    claims = jwt.decode(first, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 60
    assert first == second


def forged_tokens(keys: AuthKeys) -> dict[str, str]:
    now = int(time.time())
    header, _, signature = keys.token().split(".")
    other_payload = base64.urlsafe_b64encode(json.dumps(keys.claims(user_id=1)).encode()).rstrip(b"=").decode()
    public = private_key(keys.seeds["first"]).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)

    def hs256(secret: bytes) -> str:
        head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT","kid":"first"}').rstrip(b"=").decode()
        mac = hmac.digest(secret, f"{head}.{other_payload}".encode(), "sha256")
        return f"{head}.{other_payload}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    def signed_claims(**changes: object) -> str:
        seed = private_key(keys.seeds["first"])
        return jwt.encode({**keys.claims(), **changes}, seed, algorithm="EdDSA", headers={"kid": "first"})

    return {
        "tampered": f"{header}.{other_payload}.{signature}",
        "alg none": jwt.encode(keys.claims(), "", algorithm="none", headers={"kid": "first"}),
        "HS256 with the public key": hs256(pem),
        "HS256 with the raw public key": hs256(raw),
        "without kid": jwt.encode(keys.claims(), private_key(keys.seeds["first"]), algorithm="EdDSA"),
        "kid as path": jwt.encode(
            keys.claims(), private_key(keys.seeds["first"]), algorithm="EdDSA", headers={"kid": "../../dev/null"}
        ),
        "kid as number": jwt.encode({}, private_key(keys.seeds["first"]), algorithm="EdDSA").replace(
            "eyJ", "eyJraWQiOjF9", 1
        ),
        "another issuer": keys.token(iss="gateway"),
        "without expiry": keys.token(exp=None),
        "from the future": keys.token(iat=now + 3600, nbf=now + 3600),
        "user id is no number": keys.token(user_id="x"),
        "user id is nothing": keys.token(user_id=""),
        "user id exceeds 64 bits": keys.token(user_id=2**63),
        "user id has thousands of digits": keys.token(user_id="9" * 1000),
        "user id is negative": keys.token(user_id=-1),
        "user id is written oddly": keys.token(user_id="1_0"),
        "user id is a fraction": signed_claims(user_id=1.5),
        "user id is true": signed_claims(user_id=True),
        "user id is a number that exceeds 64 bits": signed_claims(user_id=2**63),
        "user id is a list": signed_claims(user_id=["7"]),
        "email is no text": keys.token(email={"a": 1}),
        "email is too long": keys.token(email="a" * 300),
        "expiry no clock reaches": keys.token(exp=10**400),
        "expiry is infinite": keys.token(exp=float("inf")),
        "expiry is a list": keys.token(exp=[now + 900]),
        "issued at no time": keys.token(iat=float("nan")),
        "issued in no year": keys.token(iat=10**400),
        "not a token": "x",
        "three dots": "...",
        "very long": "a" * 20_000,
    }


@pytest.mark.parametrize("name", list(forged_tokens(AuthKeys())))
async def test_a_forged_token_is_refused_with_the_body_of_simplejwt(
    gateway: RunningGateway, services: FakeServices, auth_keys: AuthKeys, name: str
) -> None:
    response = await gateway.client.get("/api/templates/", headers=bearer(forged_tokens(auth_keys)[name]))

    assert response.status_code == 401
    assert response.json() == BAD_TOKEN
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert not services["templates"].received


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exp": int(time.time()) - 60}, "Token is expired"),
        ({"token_type": "refresh"}, "Token has wrong type"),
    ],
)
async def test_an_expired_token_and_a_refresh_token_are_refused(
    gateway: RunningGateway, auth_keys: AuthKeys, changes: dict[str, Any], message: str
) -> None:
    response = await gateway.client.get("/api/resumes/", headers=bearer(auth_keys.token(**changes)))

    assert response.status_code == 401
    assert response.json()["messages"][0]["message"] == message


async def test_a_token_is_accepted_for_30_seconds_after_its_expiry(
    gateway: RunningGateway, auth_keys: AuthKeys
) -> None:
    just_expired = auth_keys.token(exp=int(time.time()) - 10)

    assert (await gateway.client.get("/api/resumes/", headers=bearer(just_expired))).status_code == 200


async def test_a_cached_token_is_refused_after_its_expiry(gateway: RunningGateway, auth_keys: AuthKeys) -> None:
    # The leeway ends in a second: the token is verified and cached, then expires.
    token = auth_keys.token(exp=int(time.time()) - 29)

    async def status() -> int:
        return (await gateway.client.get("/api/resumes/", headers=bearer(token))).status_code

    assert await status() == 200

    async def refused() -> bool:
        return await status() == 401

    await eventually(refused)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [("Bearer", "bad_authorization_header"), ("Bearer a b", "bad_authorization_header")],
)
async def test_a_bearer_header_without_exactly_one_token_is_refused(
    gateway: RunningGateway, authorization: str, code: str
) -> None:
    response = await gateway.client.get("/api/resumes/", headers={"Authorization": authorization})

    assert response.status_code == 401
    assert response.json() == {"detail": "Authorization header must contain two space-delimited values", "code": code}


async def test_another_authorization_scheme_is_ignored(gateway: RunningGateway, services: FakeServices) -> None:
    response = await gateway.client.get("/api/resumes/", headers={"Authorization": "Basic dTpw"})

    assert response.status_code == 200
    assert services["resumes"].received[0].caller(gateway.public_key).user_id is None


@pytest.mark.parametrize(
    ("path", "session"),
    [
        ("/api/auth/login/", SESSION_ID),
        ("/api/auth/register/", SESSION_ID),
        ("/api/auth/refresh/", SESSION_ID),
        ("/api/payments/webhook/", None),
    ],
)
async def test_login_register_refresh_and_webhook_ignore_the_access_token(
    gateway: RunningGateway, services: FakeServices, auth_keys: AuthKeys, path: str, session: str | None
) -> None:
    for token in ("bad", auth_keys.token()):
        response = await gateway.client.post(path, headers={**bearer(token), **cookie(signed(SESSION_ID))})
        assert response.status_code == 200

    for received in services[path.split("/")[2]].received:
        caller = received.caller(gateway.public_key)
        assert (caller.user_id, caller.session_id) == (None, session)


async def test_media_requests_have_no_identity(gateway: RunningGateway, services: FakeServices) -> None:
    headers = {**bearer("bad"), **cookie(signed(SESSION_ID))}
    response = await gateway.client.get("/media/resumes/pdfs/token/cv.pdf", headers=headers)

    assert response.status_code == 200
    assert "set-cookie" not in response.headers
    assert "X-Identity" not in services["renderer"].received[0].headers


async def test_a_new_signing_key_is_fetched(make_gateway: MakeGateway) -> None:
    keys = AuthKeys()
    auth = FakeService("auth", keys)
    await auth.start()
    gateway = await make_gateway({"auth": auth})
    keys.seeds["second"] = AuthKeys().seeds["first"]

    async def accepted() -> bool:
        response = await gateway.client.get("/api/resumes/", headers=bearer(keys.token(kid="second")))
        return response.status_code == 200

    # Not immediately: the keys were fetched at startup, and fetches are limited.
    await eventually(accepted)
    await auth.stop()


class InvalidAtFirst(AuthKeys):
    """The first two key sets are invalid."""

    def jwks(self) -> dict[str, Any]:
        return {"keys": ["x"]} if self.fetches < 3 else super().jwks()


async def test_an_invalid_key_set_is_fetched_again(make_gateway: MakeGateway) -> None:
    keys = InvalidAtFirst()
    auth = FakeService("auth", keys)
    await auth.start()
    gateway = await make_gateway({"auth": auth}, wait=False)

    async def accepted() -> bool:
        try:
            response = await gateway.client.get("/api/resumes/", headers=bearer(keys.token()))
        except httpx.TransportError:
            return False
        assert response.status_code in (200, 503)
        return response.status_code == 200

    await eventually(accepted)
    await auth.stop()


async def test_unknown_key_ids_cause_at_most_one_fetch(gateway: RunningGateway, auth_keys: AuthKeys) -> None:
    auth_keys.seeds["unknown"] = AuthKeys().seeds["first"]
    token = auth_keys.token(kid="unknown")
    del auth_keys.seeds["unknown"]
    before = auth_keys.fetches
    for _ in range(20):
        assert (await gateway.client.get("/api/resumes/", headers=bearer(token))).json() == BAD_TOKEN

    assert auth_keys.fetches - before <= 1


async def test_while_auth_is_down_known_keys_are_accepted_and_unknown_ones_are_a_503(make_gateway: MakeGateway) -> None:
    keys = AuthKeys()
    auth = FakeService("auth", keys)
    await auth.start()
    gateway = await make_gateway({"auth": auth})
    await auth.stop()
    keys.seeds["second"] = AuthKeys().seeds["first"]

    known = await gateway.client.get("/api/resumes/", headers=bearer(keys.token()))
    assert known.status_code == 200

    async def unavailable() -> bool:
        response = await gateway.client.get("/api/resumes/", headers=bearer(keys.token(kid="second")))
        return response.status_code == 503 and "retry-after" in response.headers

    await eventually(unavailable)


@pytest.mark.parametrize(
    "header",
    [
        "X-Identity",
        "x_identity",
        "X-Request-Id",
        "X-Session-Start",
        "X-Session-End",
        "X-User",
        "X-User-Id",
        "X_User_Id",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "Forwarded",
        "X-Real-Ip",
        "X-Original-Url",
        "X-Http-Method-Override",
        "Proxy-Authorization",
        "Via",
        "Te",
        "Upgrade",
        "Cookie",
    ],
)
async def test_no_client_header_can_forge_an_identity(
    gateway: RunningGateway, services: FakeServices, header: str
) -> None:
    await gateway.client.get("/api/resumes/", headers=[(header, "evil"), (header, "evil-too")])

    (received,) = services["resumes"].received
    assert not any("evil" in value for value in received.headers.values())
    assert received.caller(gateway.public_key).user_id is None


async def test_a_connection_header_cannot_remove_the_identity(gateway: RunningGateway, services: FakeServices) -> None:
    await gateway.client.get("/api/resumes/", headers={"Connection": "close, X-Identity, X-Request-Id"})

    received = services["resumes"].received[0]
    assert received.caller(gateway.public_key).issuer == "gateway"
    assert received.headers["X-Request-Id"]


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


def two_sessions() -> dict[str, str]:
    return {"Cookie": f"sessionid={signed(SESSION_ID)}; {mark(OTHER_SESSION_ID)}; {mark(SESSION_ID)}"}


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
    gateway: RunningGateway, services: FakeServices
) -> None:
    """Auth starts a response and never ends it."""
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
