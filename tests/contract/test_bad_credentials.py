"""Invalid and forged cookies, tokens and identity headers."""

import base64
import hmac
import json
import time
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cv_common.kernel.identity import IDENTITY_HEADER, private_key
from cv_stack.secrets import Secrets
from cv_stack.system import System

from tests.contract.document import example
from tests.integration.visitor import Visitor, expect

LIST = "/api/resumes/"
CHALLENGE = 'Bearer realm="api"'
KEY_ID = "first"
DJANGOS = "jrpv1x4xq4u9d9oczd1dgjrz1qg4f1e2"
"""The session cookie of another application on the same host."""


@pytest.fixture
def secrets(system: System) -> Secrets:
    """Return the system's secrets, for forging credentials."""
    return Secrets(system.data / "secrets.json")


def parts_of(cookie: str) -> tuple[str, str]:
    session_id, _, signature = cookie.partition(".")
    return session_id, signature


async def test_forged_session_cookies_are_ignored(visitor: Visitor, stranger: Visitor, system: System) -> None:
    theirs = await stranger.write_resume()
    await visitor.write_resume()
    victim, signature = parts_of(stranger.cookies["sessionid"])
    own, own_signature = parts_of(visitor.cookies["sessionid"])
    assert theirs["session_id"] == victim
    forged = (
        victim, f"{victim}.", f"{victim}.{own_signature}", f"{victim}.{signature[:-1]}", f"{victim}.{signature}x",
        f"{victim}.{signature.swapcase()}", f"{victim[:-1]}.{signature}", f"{own}.{signature}", f"{victim}.é",
        DJANGOS, "x" * 32, f"{'x' * 32}.{own_signature}", "0", "../../etc/passwd", "1;drop", "x" * 8000, "",
    )  # fmt: skip
    async with Visitor(system.ports.public_url) as thief:
        for value in forged:
            cookie = {"Cookie": f"sessionid={value}".encode()}
            assert expect(await thief.request("GET", LIST, headers=cookie), 200) == [], value
            answer = await thief.request("GET", f"{LIST}{theirs['id']}/", headers=cookie)
            assert expect(answer, 404) == {"detail": "Not found."}, value
            written = await thief.request("POST", LIST, json=example("3.2 request, minimum"), headers=cookie)
            assert expect(written, 201)["session_id"] not in (victim, own, value), value
            assert written.headers["set-cookie"].startswith(f"sessionid={written.json()['session_id']}.")
            thief.cookies.clear()
    assert await stranger.get(LIST) == [theirs]


async def test_valid_cookie_among_forged_ones_is_used(visitor: Visitor) -> None:
    resume = await visitor.write_resume()
    cookie = {"Cookie": f"sessionid={'x' * 32}.y; sessionid={visitor.cookies['sessionid']}"}
    assert expect(await visitor.request("GET", LIST, headers=cookie), 200) == [resume]


def forged_tokens(secrets: Secrets, genuine: str) -> dict[str, str]:
    """Access tokens that an attacker with a valid token and the public key can forge."""
    header, payload, signature = genuine.split(".")
    claims = jwt.decode(genuine, options={"verify_signature": False})
    other = encoded({**claims, "user_id": "1", "sub": "1"})
    public = private_key(secrets.signing_key("access token")).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)

    def hs256(key: bytes) -> str:
        signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': KEY_ID})}.{other}"
        mac = hmac.digest(key, signed.encode(), "sha256")
        return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    return {
        "another payload": f"{header}.{other}.{signature}",
        "half a signature": f"{header}.{payload}.{signature[:-10]}",
        "no signature": f"{header}.{payload}.",
        "alg none": f"{encoded({'alg': 'none', 'typ': 'JWT', 'kid': KEY_ID})}.{other}.",
        "alg none, signed": f"{encoded({'alg': 'None', 'typ': 'JWT', 'kid': KEY_ID})}.{other}.{signature}",
        "HS256 with the public key": hs256(pem),
        "HS256 with its bytes": hs256(raw),
        "HS256 with its text": hs256(base64.urlsafe_b64encode(raw).rstrip(b"=")),
        "its own key": jwt.encode(claims, private_key(base64.urlsafe_b64encode(b"x" * 32).decode().rstrip("=")),
                                  algorithm="EdDSA", headers={"kid": KEY_ID}),
        "another key's name": jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"kid": "../../dev/null"}),
        "a key inside": f"{encoded({'alg': 'EdDSA', 'kid': KEY_ID, 'jwk': {'kty': 'oct', 'k': 'eA'}})}.{other}.eA",
        "words": "not.a.token",
        "one word": "x",
        "dots": "..",
        "heavy": "x" * 20_000,
    }  # fmt: skip


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def refused_token(message: str) -> dict[str, Any]:
    return {
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [{"token_class": "AccessToken", "token_type": "access", "message": message}],
    }


JUDGING = (
    ("GET", "/api/auth/profile/"),
    ("PUT", "/api/auth/change-password/"),
    ("GET", "/api/templates/"),
    ("GET", LIST),
    ("POST", LIST),
    ("DELETE", f"{LIST}1/"),
    ("POST", f"{LIST}1/export_pdf/"),
    ("POST", f"{LIST}import_linkedin/"),
    ("POST", "/api/payments/create-checkout/"),
)


async def wrong_responses(visitor: Visitor, token: str, message: str) -> list[Any]:
    """Return the responses that do not refuse a bad token as the rulings say."""
    strange = []
    for method, path in JUDGING:
        answer = await visitor.request(method, path, json={}, headers={"Authorization": f"Bearer {token}"})
        expected = (401, refused_token(message), CHALLENGE)
        if (answer.status_code, answer.json(), answer.headers.get("www-authenticate")) != expected:
            strange.append((method, path, answer.status_code, answer.text))
    return strange


async def test_forged_access_tokens_are_refused(visitor: Visitor, john: Visitor, secrets: Secrets) -> None:
    assert john.token is not None
    for name, token in forged_tokens(secrets, john.token).items():
        assert await wrong_responses(visitor, token, "Token is invalid") == [], name


def signed(secrets: Secrets, genuine: str, **changes: Any) -> str:
    claims = jwt.decode(genuine, options={"verify_signature": False}) | changes
    key = private_key(secrets.signing_key("access token"))
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": KEY_ID})


async def test_expired_access_tokens_are_refused(visitor: Visitor, john: Visitor, secrets: Secrets) -> None:
    assert john.token is not None
    expired = signed(secrets, john.token, exp=int(time.time()) - 3600)
    assert await wrong_responses(visitor, expired, "Token is expired") == []
    visitor.token = signed(secrets, john.token)
    assert (await visitor.get("/api/auth/profile/"))["username"] == "john_doe"


async def test_access_and_refresh_tokens_are_not_interchangeable(visitor: Visitor, john: Visitor) -> None:
    pair = expect(await visitor.request("POST", "/api/auth/login/", json=example("1.2 request")), 200)
    assert await wrong_responses(visitor, pair["refresh"], "Token has wrong type") == []
    for path in ("/api/auth/refresh/", "/api/auth/logout/"):
        answer = await visitor.request("POST", path, json={"refresh": pair["access"]})
        assert expect(answer, 401) == {"detail": "Token is invalid", "code": "token_not_valid"}


async def test_invalid_refresh_tokens_are_refused(visitor: Visitor, john: Visitor, secrets: Secrets) -> None:
    pair = expect(await visitor.request("POST", "/api/auth/login/", json=example("1.2 request")), 200)
    bad = forged_tokens(secrets, pair["refresh"])
    bad["expired"] = signed(secrets, pair["refresh"], exp=int(time.time()) - 3600)
    bad["never given"] = signed(secrets, pair["refresh"], jti=uuid4().hex)
    del bad["heavy"]  # longer than the limit, so a field error
    for name, token in bad.items():
        answer = await visitor.request("POST", "/api/auth/refresh/", json={"refresh": token})
        assert expect(answer, 401) == {"detail": "Token is invalid", "code": "token_not_valid"}, name
    expect(await visitor.request("POST", "/api/auth/logout/", json={"refresh": pair["refresh"]}), 200)
    answer = await visitor.request("POST", "/api/auth/refresh/", json={"refresh": pair["refresh"]})
    assert expect(answer, 401) == {"detail": "Token is invalid", "code": "token_not_valid"}


async def test_login_ignores_a_bad_token(visitor: Visitor, john: Visitor) -> None:
    visitor.token = "x.y.z"
    pair = expect(await visitor.request("POST", "/api/auth/login/", json=example("1.2 request")), 200)
    expect(await visitor.request("POST", "/api/auth/refresh/", json={"refresh": pair["refresh"]}), 200)
    expect(await visitor.request("POST", "/api/auth/register/", json={}), 400)
    expect(await visitor.request("POST", "/api/payments/webhook/", json={}), 400)


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer a b"])
async def test_malformed_authorization_header(visitor: Visitor, authorization: str) -> None:
    answer = await visitor.request("GET", LIST, headers={"Authorization": authorization})
    assert expect(answer, 401)["code"] == "bad_authorization_header"


async def test_identity_headers_from_outside_are_dropped(visitor: Visitor, john: Visitor, secrets: Secrets) -> None:
    theirs = await john.write_resume(template=1)
    user = str(theirs["user"])
    keys = secrets.identity_keys()
    # Signed with the gateway's own key: a leaked token is ignored too if it comes from outside.
    genuine = {audience: keys.user(audience, theirs["user"])[IDENTITY_HEADER] for audience in ("resumes", "auth")}
    spoofed = (
        [("X-Identity", "TOKEN")],
        [("X-Identity", "x"), ("X-Identity", "TOKEN")],
        [("X-Identity", "TOKEN"), ("x-identity", "TOKEN")],
        [("X_Identity", "TOKEN"), ("X-IDENTITY", "TOKEN")],
        [("X-User-Id", user), ("X_User_Id", user), ("X-User", user), ("Remote-User", "john_doe")],
        [("X-Session-Id", "x" * 32), ("X-Session-Start", "x" * 32), ("X-Session-End", "1")],
        [("X-Forwarded-User", user), ("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1")],
        [("X-Original-Url", "/internal/resumes/1/"), ("X-Rewrite-Url", "/internal/resumes/1/")],
        [("X-HTTP-Method-Override", "DELETE"), ("Connection", "X-Identity"), ("X-Identity", "TOKEN")],
    )
    for headers in spoofed:

        async def ask(path: str, audience: str, headers: list[tuple[str, str]] = headers) -> httpx.Response:
            said = [(name, value.replace("TOKEN", genuine[audience])) for name, value in headers]
            return await visitor.request("GET", path, headers=httpx.Headers(said))

        assert expect(await ask(LIST, "resumes"), 200) == [], headers
        assert expect(await ask(f"{LIST}{theirs['id']}/", "resumes"), 404) == {"detail": "Not found."}, headers
        answer = await ask("/api/auth/profile/", "auth")
        assert expect(answer, 401) == {"detail": "Authentication credentials were not provided."}, headers
        assert "set-cookie" not in answer.headers
    assert await john.get(LIST) == [theirs]


async def test_forwarded_headers_do_not_change_urls(visitor: Visitor, system: System) -> None:
    spoofed = {
        "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Port": "1", "Forwarded": "host=evil.example", "Host": "evil.example",
    }  # fmt: skip
    templates = expect(await visitor.request("GET", "/api/templates/", headers=spoofed), 200)
    body = example("3.2 request, minimum")
    resume = expect(await visitor.request("POST", LIST, json=body, headers=spoofed), 201)
    answer = await visitor.request("POST", f"{LIST}{resume['id']}/export_pdf/", json={}, headers=spoofed)
    urls = [template["thumbnail"] for template in templates] + [expect(answer, 200)["pdf_url"]]
    assert all(url.startswith(f"{system.ports.public_url}/media/") for url in urls)
