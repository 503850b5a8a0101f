"""Login, refresh, logout and the published keys."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import argon2
import httpx
import jwt
import psycopg
import pytest
from cv_auth.domain.tokens import TokenKeys
from cv_auth.main import app
from cv_auth.settings import SigningKey
from cv_common.kernel.identity import generate_keys, private_key, public_key, public_key_of
from cv_testing.serving import eventually, serving
from psycopg.rows import DictRow

from services.auth.tests.cast import KEY, KEYS, OLDER_KEY, PASSWORD, Account

LOGIN, REFRESH, LOGOUT = "/api/auth/login/", "/api/auth/refresh/", "/api/auth/logout/"
LOGIN_FAILED = {"detail": "No active account found with the given credentials"}
TOKEN_INVALID = {"detail": "Token is invalid", "code": "token_not_valid"}
REALM = 'Bearer realm="api"'

Database = psycopg.AsyncConnection[DictRow]


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, public_key(public_key_of(KEY)), ["EdDSA"], issuer="auth")
    return claims


async def test_login_returns_two_tokens(
    auth: httpx.AsyncClient, stranger: dict[str, str], account: Account, tokens: dict[str, str]
) -> None:
    assert list(tokens) == ["access", "refresh"]
    access, refresh = claims_of(tokens["access"]), claims_of(tokens["refresh"])
    for claims, token_type in ((access, "access"), (refresh, "refresh")):
        assert claims["token_type"] == token_type
        assert claims["user_id"] == claims["sub"] == str(account.id)
    assert access["exp"] - access["iat"] == 15 * 60
    assert refresh["exp"] - refresh["iat"] == 30 * 24 * 3600
    assert access["jti"] != refresh["jti"]
    assert jwt.get_unverified_header(tokens["access"]) == {"alg": "EdDSA", "kid": "new", "typ": "JWT"}


async def test_access_tokens_contain_the_current_email(
    auth: httpx.AsyncClient, stranger: dict[str, str], account: Account, tokens: dict[str, str]
) -> None:
    assert claims_of(tokens["access"])["email"] == account.email
    assert "email" not in claims_of(tokens["refresh"])
    changed = f"new.{account.email}"
    answer = await auth.patch("/api/auth/profile/", json={"email": changed}, headers=account.headers)
    assert answer.status_code == 200
    refreshed = await auth.post(REFRESH, json={"refresh": tokens["refresh"]}, headers=stranger)
    assert claims_of(refreshed.json()["access"])["email"] == changed


@pytest.mark.parametrize("case", [str.upper, str.lower])
async def test_login_ignores_the_case_of_the_email(
    auth: httpx.AsyncClient, stranger: dict[str, str], account: Account, case: Any
) -> None:
    answer = await auth.post(LOGIN, json={"email": case(account.email), "password": PASSWORD}, headers=stranger)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("email", "password"),
    [(None, "WrongPass123!"), ("nobody@example.com", PASSWORD), ("not an address", PASSWORD), (None, PASSWORD.lower())],
)
async def test_failed_logins_have_equal_responses(
    auth: httpx.AsyncClient, stranger: dict[str, str], account: Account, email: str | None, password: str
) -> None:
    answer = await auth.post(LOGIN, json={"email": email or account.email, "password": password}, headers=stranger)
    assert (answer.status_code, answer.json()) == (401, LOGIN_FAILED)
    assert answer.headers["WWW-Authenticate"] == REALM


async def test_login_takes_equal_time_for_unknown_accounts(
    auth: httpx.AsyncClient, stranger: dict[str, str], account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[argon2.Parameters] = []
    verify = argon2.PasswordHasher.verify

    def counted(hasher: argon2.PasswordHasher, password_hash: str, password: str) -> bool:
        spent.append(argon2.extract_parameters(password_hash))
        return verify(hasher, password_hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    costs = []
    for email in (account.email, "nobody@example.com", "not an address"):
        answer = await auth.post(LOGIN, json={"email": email, "password": "WrongPass123!"}, headers=stranger)
        assert answer.status_code == 401
        costs.append(spent[:])
        spent.clear()
    assert costs[0] == costs[1] == costs[2]
    assert len(costs[0]) == 1


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"email": ["This field is required."], "password": ["This field is required."]}),
        ({"email": "", "password": None}, {"email": ["This field may not be blank."],
                                           "password": ["This field may not be null."]}),
        ({"email": "a@example.com", "password": "a" * 1_000_000},
         {"password": ["Ensure this field has no more than 128 characters."]}),
    ],
)  # fmt: skip
async def test_invalid_login_bodies_are_rejected(
    auth: httpx.AsyncClient, stranger: dict[str, str], body: dict[str, Any], errors: dict[str, Any]
) -> None:
    answer = await auth.post(LOGIN, json=body, headers=stranger)
    assert (answer.status_code, answer.json()) == (400, errors)


async def test_login_rehashes_a_password_with_outdated_parameters(
    auth: httpx.AsyncClient, stranger: dict[str, str], account: Account, database: Database
) -> None:
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await database.execute("update users set password_hash = %s where id = %s", (weak, account.id))
    for _ in range(2):
        answer = await auth.post(LOGIN, json={"email": account.email, "password": PASSWORD}, headers=stranger)
        assert answer.status_code == 200
    cursor = await database.execute("select password_hash from users where id = %s", (account.id,))
    row = await cursor.fetchone()
    assert row is not None
    assert row["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_logins_beyond_the_queue_get_503(
    environment: dict[str, str], stranger: dict[str, str], account: Account
) -> None:
    narrow = {**environment, "PASSWORD_HASH_WORKERS": "1", "PASSWORD_HASH_QUEUE": "1"}
    async with serving(app, narrow) as auth:
        body = {"email": account.email, "password": PASSWORD}
        answers = await asyncio.gather(*(auth.post(LOGIN, json=body, headers=stranger) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert list(answer.json()) == ["detail"]
            assert int(answer.headers["Retry-After"]) > 0


async def test_refresh_returns_a_new_access_token_only(
    auth: httpx.AsyncClient, stranger: dict[str, str], account: Account, tokens: dict[str, str]
) -> None:
    for _ in range(2):
        answer = await auth.post(REFRESH, json={"refresh": tokens["refresh"]}, headers=stranger)
        assert (answer.status_code, list(answer.json())) == (200, ["access"])
        claims = claims_of(answer.json()["access"])
        assert (claims["token_type"], claims["user_id"]) == ("access", str(account.id))


@pytest.mark.parametrize("path", [REFRESH, LOGOUT])
async def test_other_tokens_are_rejected_as_refresh_tokens(
    auth: httpx.AsyncClient, stranger: dict[str, str], account: Account, tokens: dict[str, str], path: str
) -> None:
    keys = TokenKeys([SigningKey.model_validate(KEYS[0])])
    now = datetime.now(UTC)
    claims = claims_of(tokens["refresh"])
    expired = {**claims, "exp": int(now.timestamp()) - 1}
    bad_tokens = [
        "nonsense",
        "é\U0001f600",
        tokens["access"],
        tokens["refresh"][:-4] + "AAAA",
        keys.refresh_token(account.id, uuid4(), now, now + timedelta(days=1)),
        jwt.encode(expired, private_key(KEY), "EdDSA", {"kid": "new"}),
        jwt.encode(claims, private_key(OLDER_KEY), "EdDSA", {"kid": "new"}),
        jwt.encode(claims, private_key(KEY), "EdDSA", {"kid": "unknown"}),
        jwt.encode(claims, private_key(KEY), "EdDSA"),
        jwt.encode(claims, public_key_of(KEY), "HS256", {"kid": "new"}),
        jwt.encode(claims, "", "none", {"kid": "new"}),
        jwt.encode({**claims, "jti": "x"}, private_key(KEY), "EdDSA", {"kid": "new"}),
        jwt.encode({**claims, "iss": "gateway"}, private_key(KEY), "EdDSA", {"kid": "new"}),
        *(
            jwt.encode({**claims, **absurd}, private_key(KEY), "EdDSA", {"kid": "new"})
            for absurd in (
                {"user_id": str(2**63)},
                {"user_id": 2**63},
                {"user_id": "-1"},
                {"user_id": 1.5},
                {"user_id": True},
                {"jti": 7},
                {"jti": "9" * 5_000},
                {"exp": float("inf")},
                {"exp": [1]},
                {"iat": float("nan")},
                {"token_type": ["refresh"]},
            )
        ),
        "9" * 9_999,
    ]
    for token in bad_tokens:
        answer = await auth.post(path, json={"refresh": token}, headers=stranger)
        assert (answer.status_code, answer.json()) == (401, TOKEN_INVALID), token
        assert answer.headers["WWW-Authenticate"] == REALM
    assert (await auth.post(path, json={"refresh": tokens["refresh"]}, headers=stranger)).status_code == 200


@pytest.mark.parametrize("path", [REFRESH, LOGOUT])
async def test_refresh_token_is_required(auth: httpx.AsyncClient, stranger: dict[str, str], path: str) -> None:
    answer = await auth.post(path, json={}, headers=stranger)
    assert (answer.status_code, answer.json()) == (400, {"refresh": ["This field is required."]})


async def test_logout_revokes_one_refresh_token(
    auth: httpx.AsyncClient, stranger: dict[str, str], account: Account, tokens: dict[str, str]
) -> None:
    login = {"email": account.email, "password": PASSWORD}
    elsewhere = (await auth.post(LOGIN, json=login, headers=stranger)).json()
    answer = await auth.post(LOGOUT, json={"refresh": tokens["refresh"]}, headers=stranger)
    assert (answer.status_code, answer.json()) == (200, {})
    for path in (REFRESH, LOGOUT):
        ended = await auth.post(path, json={"refresh": tokens["refresh"]}, headers=stranger)
        assert (ended.status_code, ended.json()) == (401, TOKEN_INVALID)
    assert (await auth.post(REFRESH, json={"refresh": elsewhere["refresh"]}, headers=stranger)).status_code == 200


async def test_expired_refresh_tokens_are_purged(
    environment: dict[str, str], account: Account, tokens: dict[str, str], database: Database
) -> None:
    expired = "insert into refresh_tokens values (%s, %s, now() - interval '1 second')"
    await database.execute(expired, (uuid4(), account.id))

    async def left() -> int:
        cursor = await database.execute("select from refresh_tokens where user_id = %s", (account.id,))
        return len(await cursor.fetchall())

    async def only_the_live_one() -> bool:
        return await left() == 1

    assert await left() == 2
    async with serving(app, environment):
        await eventually(only_the_live_one)


async def test_published_keys_verify_tokens(auth: httpx.AsyncClient, tokens: dict[str, str]) -> None:
    answer = await auth.get("/.well-known/jwks.json")  # no identity: the gateway asks before it can have one
    assert answer.status_code == 200
    published = jwt.PyJWKSet.from_dict(answer.json())
    assert [key.key_id for key in published.keys] == ["new", "old"]
    kid = jwt.get_unverified_header(tokens["access"])["kid"]
    assert jwt.decode(tokens["access"], published[kid], ["EdDSA"], issuer="auth")["token_type"] == "access"
    assert not any("d" in key for key in answer.json()["keys"])  # the private half


async def test_tokens_stay_valid_during_key_rotation(
    environment: dict[str, str], stranger: dict[str, str], tokens: dict[str, str]
) -> None:
    rotated = [{"kid": "newest", "key": generate_keys()[0]}, *KEYS]
    async with serving(app, {**environment, "ACCESS_TOKEN_KEYS": json.dumps(rotated)}) as auth:
        answer = await auth.post(REFRESH, json={"refresh": tokens["refresh"]}, headers=stranger)
    assert answer.status_code == 200
    assert jwt.get_unverified_header(answer.json()["access"])["kid"] == "newest"
