"""Access tokens: which ones are accepted, and the response to the others."""

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cv_common.kernel.identity import private_key
from cv_testing.serving import eventually

from gateway.tests.credentials import BAD_TOKEN, SESSION_ID, bearer, cookie, signed
from gateway.tests.world import AuthKeys, FakeServices, RunningGateway


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
