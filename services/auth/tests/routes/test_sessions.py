"""An anonymous session becomes an account's, at login and at registration."""

import asyncio
from typing import Any

import httpx
import psycopg
from cv_common.events import Event, SessionClaimed
from cv_common.testing.identity import IdentityKeys
from cv_common.testing.serving import eventually
from psycopg.rows import DictRow

from services.auth.tests.cast import PASSWORD, Account, Claim, Neighbours

LOGIN, REGISTER = "/api/auth/login/", "/api/auth/register/"


def claims_heard(heard: list[Event], session_id: str) -> list[int]:
    """The users that a session was said to belong to."""
    return [event.user_id for event in heard if isinstance(event, SessionClaimed) and event.session_id == session_id]


def both_told(session_id: str, user_id: int) -> dict[str, Claim]:
    return {service: Claim(service, session_id, user_id, "auth") for service in ("resumes", "payments")}


async def test_login_claims_the_session(
    auth: httpx.AsyncClient,
    account: Account,
    session: dict[str, str],
    session_id: str,
    neighbours: Neighbours,
    heard: list[Event],
) -> None:
    login = {"email": account.email, "password": PASSWORD}
    answer = await auth.post(LOGIN, json=login, headers=session)
    assert (answer.status_code, answer.headers["X-Session-End"]) == (200, "1")
    assert neighbours.told_of(session_id) == both_told(session_id, account.id)
    await eventually(lambda: claims_heard(heard, session_id) == [account.id])


async def test_registration_claims_the_session(
    auth: httpx.AsyncClient,
    person: dict[str, Any],
    session: dict[str, str],
    session_id: str,
    neighbours: Neighbours,
    heard: list[Event],
) -> None:
    answer = await auth.post(REGISTER, json=person, headers=session)
    assert (answer.status_code, answer.headers["X-Session-End"]) == (201, "1")
    user_id = answer.json()["user"]["id"]
    assert neighbours.told_of(session_id) == both_told(session_id, user_id)
    await eventually(lambda: claims_heard(heard, session_id) == [user_id])


async def test_failed_login_and_registration_claim_nothing(
    auth: httpx.AsyncClient,
    account: Account,
    person: dict[str, Any],
    session: dict[str, str],
    session_id: str,
    neighbours: Neighbours,
    database: psycopg.AsyncConnection[DictRow],
) -> None:
    wrong = {"email": account.email, "password": "WrongPass123!"}
    for answer in (
        await auth.post(LOGIN, json=wrong, headers=session),
        await auth.post(REGISTER, json=person, headers=session),  # the name is taken
    ):
        assert answer.status_code in (400, 401)
        assert "X-Session-End" not in answer.headers
    assert neighbours.told_of(session_id) == {}
    cursor = await database.execute("select from claimed_sessions where session_id = %s", (session_id,))
    assert await cursor.fetchall() == []


async def test_first_claim_stands(
    auth: httpx.AsyncClient,
    account: Account,
    person: dict[str, Any],
    session: dict[str, str],
    session_id: str,
    neighbours: Neighbours,
    heard: list[Event],
) -> None:
    login = {"email": account.email, "password": PASSWORD}
    other = {**person, "username": f"other_{person['username']}", "email": f"other_{person['email']}"}
    await auth.post(LOGIN, json=login, headers=session)
    late = await auth.post(REGISTER, json=other, headers=session)
    again = await auth.post(LOGIN, json=login, headers=session)
    assert (late.status_code, again.status_code) == (201, 200)
    assert (late.headers["X-Session-End"], again.headers["X-Session-End"]) == ("1", "1")
    assert len([claim for claim in neighbours.claims if claim.session_id == session_id]) == 2
    assert neighbours.told_of(session_id) == both_told(session_id, account.id)
    await eventually(lambda: claims_heard(heard, session_id) == [account.id])


async def test_of_two_logins_at_once_one_claims_the_session(
    auth: httpx.AsyncClient,
    account: Account,
    person: dict[str, Any],
    stranger: dict[str, str],
    session: dict[str, str],
    session_id: str,
    neighbours: Neighbours,
) -> None:
    other = {**person, "username": f"other_{person['username']}", "email": f"other_{person['email']}"}
    await auth.post(REGISTER, json=other, headers=stranger)
    bodies = [{"email": email, "password": PASSWORD} for email in (account.email, other["email"])]
    answers = await asyncio.gather(*(auth.post(LOGIN, json=body, headers=session) for body in bodies))
    assert [answer.status_code for answer in answers] == [200, 200]
    told = neighbours.told_of(session_id)
    assert told["resumes"].user_id == told["payments"].user_id


async def test_neighbours_in_trouble_do_not_keep_anybody_out(
    auth: httpx.AsyncClient,
    account: Account,
    session: dict[str, str],
    session_id: str,
    neighbours: Neighbours,
    heard: list[Event],
) -> None:
    neighbours.silent.add("resumes")
    neighbours.statuses["payments"] = 503
    login = {"email": account.email, "password": PASSWORD}
    answer = await auth.post(LOGIN, json=login, headers=session)
    assert (answer.status_code, answer.headers["X-Session-End"]) == (200, "1")
    assert neighbours.told_of(session_id) == {}
    await eventually(lambda: claims_heard(heard, session_id) == [account.id])


async def test_session_of_an_erased_account_stays_ended(
    auth: httpx.AsyncClient,
    account: Account,
    person: dict[str, Any],
    session: dict[str, str],
    session_id: str,
    neighbours: Neighbours,
    identity_keys: IdentityKeys,
) -> None:
    await auth.post(LOGIN, json={"email": account.email, "password": PASSWORD}, headers=session)
    erased = await auth.request("DELETE", "/api/auth/profile/", json={"password": PASSWORD}, headers=account.headers)
    assert erased.status_code == 204
    assert (await auth.post(REGISTER, json=person, headers=session)).status_code == 201
    assert neighbours.told_of(session_id) == both_told(session_id, account.id)
