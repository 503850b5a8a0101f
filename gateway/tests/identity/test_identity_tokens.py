"""The signed identity token that a service receives, and what a client cannot forge."""

import jwt
import pytest

from gateway.tests.credentials import SESSION_ID, bearer, cookie, signed
from gateway.tests.world import AuthKeys, FakeServices, RunningGateway


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


async def test_media_requests_have_no_identity(gateway: RunningGateway, services: FakeServices) -> None:
    headers = {**bearer("bad"), **cookie(signed(SESSION_ID))}
    response = await gateway.client.get("/media/resumes/pdfs/token/cv.pdf", headers=headers)

    assert response.status_code == 200
    assert "set-cookie" not in response.headers
    assert "X-Identity" not in services["renderer"].received[0].headers


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
