"""Reading, changing and deleting the profile, and changing the password."""

import asyncio
from typing import Any

import httpx
import psycopg
import pytest
from cv_common.messaging.events import Event, UserDeleted
from cv_testing.identity import IdentityKeys
from cv_testing.serving import eventually
from psycopg.rows import DictRow

from services.auth.tests.cast import PASSWORD, Account, full_width

PROFILE, CHANGE_PASSWORD = "/api/auth/profile/", "/api/auth/change-password/"
NEW_PASSWORD = "NewSecurePass456!"
CHANGE = {"old_password": PASSWORD, "new_password": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
NOT_LOGGED_IN = {"detail": "Authentication credentials were not provided."}
USER_NOT_FOUND = {"detail": "User not found", "code": "user_not_found"}

Database = psycopg.AsyncConnection[DictRow]


async def test_profile_equals_the_registration_response(auth: httpx.AsyncClient, account: Account) -> None:
    answer = await auth.get(PROFILE, headers=account.headers)
    assert (answer.status_code, answer.json()) == (200, account.profile)
    assert list(answer.json()) == [
        "id", "username", "email", "first_name", "last_name", "phone",
        "is_premium", "subscription_type", "subscription_end_date", "created_at",
    ]  # fmt: skip


async def test_profile_change_answers_the_documented_example(auth: httpx.AsyncClient, account: Account) -> None:
    change = {"first_name": "Jean", "phone": "+33687654321"}
    answer = await auth.patch(PROFILE, json=change, headers=account.headers)
    assert (answer.status_code, answer.json()) == (200, {**account.profile, **change})
    assert (await auth.get(PROFILE, headers=account.headers)).json() == answer.json()


async def test_null_names_become_empty_strings(auth: httpx.AsyncClient, account: Account) -> None:
    answer = await auth.patch(PROFILE, json={"first_name": None, "last_name": None}, headers=account.headers)
    assert (answer.status_code, answer.json()) == (200, {**account.profile, "first_name": "", "last_name": ""})


@pytest.mark.parametrize("change", [{}, {"phone": None}, {"phone": ""}, {"first_name": "", "last_name": "  Léa "}])
async def test_only_sent_fields_change(auth: httpx.AsyncClient, account: Account, change: dict[str, Any]) -> None:
    kept = {name: value.strip() if value else value for name, value in change.items()}
    answer = await auth.patch(PROFILE, json=change, headers=account.headers)
    assert (answer.status_code, answer.json()) == (200, {**account.profile, **kept})


async def test_read_only_fields_do_not_change(auth: httpx.AsyncClient, account: Account) -> None:
    cheat = {
        "id": 999999, "is_premium": True, "subscription_type": "yearly",
        "subscription_end_date": "2099-01-01T00:00:00Z",
        "created_at": "2000-01-01T00:00:00Z", "password": "x", "password_hash": "x",
    }  # fmt: skip
    answer = await auth.patch(PROFILE, json=cheat, headers=account.headers)
    assert (answer.status_code, answer.json()) == (200, account.profile)


async def test_a_user_may_change_the_case_of_their_own_names(auth: httpx.AsyncClient, account: Account) -> None:
    change = {name: account.profile[name].upper() for name in ("username", "email")}
    answer = await auth.patch(PROFILE, json=change, headers=account.headers)
    assert (answer.status_code, answer.json()) == (200, {**account.profile, **change})


async def test_names_of_other_accounts_are_rejected(
    auth: httpx.AsyncClient, stranger: dict[str, str], person: dict[str, Any], account: Account
) -> None:
    other = {**person, "username": f"Other{person['username']}", "email": f"Other{person['email']}"}
    assert (await auth.post("/api/auth/register/", json=other, headers=stranger)).status_code == 201
    disguised = await auth.patch(PROFILE, json={"username": full_width(other["username"])}, headers=account.headers)
    assert (disguised.status_code, disguised.json()) == (400, {"username": ["This username is already taken."]})
    change = {"username": other["username"].lower(), "email": other["email"].upper(), "phone": "1" * 21}
    answer = await auth.patch(PROFILE, json=change, headers=account.headers)
    assert answer.status_code == 400
    assert answer.json() == {
        "username": ["This username is already taken."],
        "email": ["This email is already registered."],
        "phone": ["Ensure this field has no more than 20 characters."],
    }
    assert (await auth.get(PROFILE, headers=account.headers)).json() == account.profile


async def test_concurrent_changes_of_different_fields_are_both_stored(
    auth: httpx.AsyncClient, account: Account
) -> None:
    changes = [{"first_name": "Jean"}, {"last_name": "Dupont"}, {"phone": "1"}]
    await asyncio.gather(*(auth.patch(PROFILE, json=change, headers=account.headers) for change in changes))
    profile = (await auth.get(PROFILE, headers=account.headers)).json()
    assert profile == {**account.profile, "first_name": "Jean", "last_name": "Dupont", "phone": "1"}


@pytest.mark.parametrize("path", [PROFILE, CHANGE_PASSWORD])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_visitors_and_services_get_401(
    auth: httpx.AsyncClient, stranger: dict[str, str], session: dict[str, str], method: str, path: str
) -> None:
    for headers in (stranger, session, {}):
        answer = await auth.request(method, path, headers=headers, content=b"{")
        assert (answer.status_code, answer.json()) == (401, NOT_LOGGED_IN)
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (PROFILE, {"GET", "PATCH", "DELETE", "HEAD", "OPTIONS"}),
        (CHANGE_PASSWORD, {"POST", "OPTIONS"}),
    ],
)
async def test_other_methods_are_not_allowed(
    auth: httpx.AsyncClient, account: Account, path: str, allowed: set[str]
) -> None:
    answer = await auth.put(path, json={}, headers=account.headers)
    assert (answer.status_code, answer.json()) == (405, {"detail": 'Method "PUT" not allowed.'})
    assert set(answer.headers["Allow"].split(", ")) == allowed


async def test_password_change_revokes_every_refresh_token(
    auth: httpx.AsyncClient, stranger: dict[str, str], account: Account, tokens: dict[str, str]
) -> None:
    answer = await auth.post(CHANGE_PASSWORD, json=CHANGE, headers=account.headers)
    assert (answer.status_code, answer.json()) == (200, {"message": "Password changed successfully"})
    refreshed = await auth.post("/api/auth/refresh/", json={"refresh": tokens["refresh"]}, headers=stranger)
    assert refreshed.status_code == 401
    for password, status in ((PASSWORD, 401), (NEW_PASSWORD, 200)):
        login = {"email": account.email, "password": password}
        assert (await auth.post("/api/auth/login/", json=login, headers=stranger)).status_code == status


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        (
            {"old_password": "WrongPass123!", "new_password2": "Different456!"},
            {"old_password": ["Wrong password."], "new_password2": ["New passwords must match."]},
        ),
        (
            {"new_password": "12345", "new_password2": "12345"},
            {
                "new_password": [
                    "This password is too short. It must contain at least 8 characters.",
                    "This password is too common.",
                    "This password is entirely numeric.",
                ]
            },
        ),
        ({"old_password": ""}, {"old_password": ["This field may not be blank."]}),
        (
            {"old_password": "WrongPass123!", "new_password": None},
            {"old_password": ["Wrong password."], "new_password": ["This field may not be null."]},
        ),
    ],
)
async def test_password_does_not_change_if_a_field_is_invalid(
    auth: httpx.AsyncClient,
    stranger: dict[str, str],
    account: Account,
    tokens: dict[str, str],
    changes: dict[str, Any],
    errors: dict[str, Any],
) -> None:
    answer = await auth.post(CHANGE_PASSWORD, json={**CHANGE, **changes}, headers=account.headers)
    assert (answer.status_code, answer.json()) == (400, errors)
    refreshed = await auth.post("/api/auth/refresh/", json={"refresh": tokens["refresh"]}, headers=stranger)
    assert refreshed.status_code == 200


async def test_new_password_similar_to_the_profile_is_rejected(auth: httpx.AsyncClient, account: Account) -> None:
    alike = account.profile["username"] + "!"
    body = {**CHANGE, "new_password": alike, "new_password2": alike}
    answer = await auth.post(CHANGE_PASSWORD, json=body, headers=account.headers)
    expected = {"new_password": ["The password is too similar to the username."]}
    assert (answer.status_code, answer.json()) == (400, expected)


async def test_concurrent_password_changes_accept_one(auth: httpx.AsyncClient, account: Account) -> None:
    bodies = [{**CHANGE, "new_password": new, "new_password2": new} for new in (NEW_PASSWORD, "AnotherPass789!")]
    answers = await asyncio.gather(*(auth.post(CHANGE_PASSWORD, json=body, headers=account.headers) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200, 400]


async def test_login_during_a_password_change_fails(
    auth: httpx.AsyncClient, stranger: dict[str, str], account: Account, database: Database
) -> None:
    async def somebody_waits_for_the_change() -> bool:
        cursor = await database.execute(
            "select from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid))"
        )
        return login.done() or await cursor.fetchone() is not None

    async with database.transaction():
        await database.execute("update users set password_hash = 'another one' where id = %s", (account.id,))
        body = {"email": account.email, "password": PASSWORD}
        login = asyncio.create_task(auth.post("/api/auth/login/", json=body, headers=stranger))
        await eventually(somebody_waits_for_the_change)
    assert (await login).status_code == 401


async def test_deleting_an_account_requires_the_password(auth: httpx.AsyncClient, account: Account) -> None:
    for body, errors in (
        ({"password": "WrongPass123!"}, {"password": ["Wrong password."]}),
        ({}, {"password": ["This field is required."]}),
    ):
        answer = await auth.request("DELETE", PROFILE, json=body, headers=account.headers)
        assert (answer.status_code, answer.json()) == (400, errors)
    assert (await auth.get(PROFILE, headers=account.headers)).status_code == 200


async def test_deleted_account_is_gone_and_an_event_is_published(
    auth: httpx.AsyncClient,
    stranger: dict[str, str],
    account: Account,
    tokens: dict[str, str],
    person: dict[str, Any],
    published_events: list[Event],
) -> None:
    erased = await auth.request("DELETE", PROFILE, json={"password": PASSWORD}, headers=account.headers)
    assert (erased.status_code, erased.content) == (204, b"")
    for method, path, body in (
        ("GET", PROFILE, None),
        ("PATCH", PROFILE, {"first_name": "Jean"}),
        ("DELETE", PROFILE, {"password": PASSWORD}),
        ("POST", CHANGE_PASSWORD, CHANGE),
    ):
        answer = await auth.request(method, path, json=body, headers=account.headers)
        assert (answer.status_code, answer.json()) == (401, USER_NOT_FOUND)
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    refreshed = await auth.post("/api/auth/refresh/", json={"refresh": tokens["refresh"]}, headers=stranger)
    login = await auth.post("/api/auth/login/", json={"email": account.email, "password": PASSWORD}, headers=stranger)
    assert (refreshed.status_code, login.status_code) == (401, 401)
    await eventually(
        lambda: [event.user_id for event in published_events if isinstance(event, UserDeleted)].count(account.id) == 1
    )
    again = await auth.post("/api/auth/register/", json=person, headers=stranger)
    assert again.status_code == 201
    assert again.json()["user"]["id"] != account.id


async def test_a_service_cannot_act_as_a_user(auth: httpx.AsyncClient, identity_keys: IdentityKeys) -> None:
    answer = await auth.get(PROFILE, headers=identity_keys.service("auth", "payments"))
    assert answer.status_code == 404
