"""An anonymous session becomes an account's, at login and at registration."""

import asyncio
from typing import Any

import httpx
import psycopg
from cv_common.messaging.events import Event, SessionClaimed, SessionMerged
from cv_testing.identity import IdentityKeys
from cv_testing.serving import eventually
from psycopg.rows import DictRow

from services.auth.tests.cast import PASSWORD, Account, Claim, Neighbours

LOGIN, REGISTER = "/api/auth/login/", "/api/auth/register/"


def claims_heard(heard: list[Event], session_id: str) -> list[int]:
    """The users that a session was said to belong to."""
    return [event.user_id for event in heard if isinstance(event, SessionClaimed) and event.session_id == session_id]


def merges_heard(heard: list[Event], session_id: str) -> list[str]:
    """The sessions that a session was said to be merged into."""
    return [
        event.into_session_id for event in heard if isinstance(event, SessionMerged) and event.session_id == session_id
    ]


async def merge(auth: httpx.AsyncClient, headers: dict[str, str], *session_ids: str) -> str:
    """The session that remains, as the gateway is told."""
    answer = await auth.post("/sessions/merge/", json={"session_ids": session_ids}, headers=headers)
    assert answer.status_code == 200, answer.text
    remaining: str = answer.json()["session_id"]
    return remaining


def both_told(session_id: str, into: int | str) -> dict[str, Claim]:
    return {service: Claim(service, session_id, into, "auth") for service in ("resumes", "payments")}


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
    assert told["resumes"].into == told["payments"].into


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


async def test_sessions_of_one_visitor_are_merged_into_the_first(
    auth: httpx.AsyncClient, session: dict[str, str], session_id: str, neighbours: Neighbours, heard: list[Event]
) -> None:
    others = [f"{session_id}.{number}" for number in range(3)]
    remains = await asyncio.gather(*(merge(auth, session, session_id, *others) for _ in range(3)))
    assert remains == [session_id] * 3
    for other in others:
        assert neighbours.told_of(other) == both_told(other, session_id)
    await eventually(lambda: [merges_heard(heard, other) for other in others] == [[session_id]] * 3)
    assert neighbours.told_of(session_id) == {}


async def test_session_that_is_named_twice_is_not_merged_into_itself(
    auth: httpx.AsyncClient, account: Account, session: dict[str, str], session_id: str, neighbours: Neighbours
) -> None:
    other = f"{session_id}.other"
    assert await merge(auth, session, session_id, session_id, other, other) == session_id
    assert neighbours.told_of(session_id) == {}
    assert neighbours.told_of(other) == both_told(other, session_id)
    await auth.post(LOGIN, json={"email": account.email, "password": PASSWORD}, headers=session)
    assert neighbours.told_of(session_id) == both_told(session_id, account.id)


async def test_merge_names_the_callers_own_session(
    auth: httpx.AsyncClient, session: dict[str, str], stranger: dict[str, str], session_id: str, neighbours: Neighbours
) -> None:
    others = [f"{session_id}.{number}" for number in range(2)]
    for headers in (session, stranger):
        answer = await auth.post("/sessions/merge/", json={"session_ids": others}, headers=headers)
        assert answer.status_code == 400
    assert [neighbours.told_of(other) for other in others] == [{}, {}]


async def test_two_merges_that_name_each_others_session_agree(
    auth: httpx.AsyncClient, session: dict[str, str], session_id: str
) -> None:
    other = f"{session_id}.other"
    remains = await asyncio.gather(merge(auth, session, session_id, other), merge(auth, session, other, session_id))
    assert len(set(remains)) == 1


async def test_a_session_that_ended_is_merged_into_nothing_and_nothing_into_it(
    auth: httpx.AsyncClient, account: Account, session: dict[str, str], session_id: str, neighbours: Neighbours
) -> None:
    await auth.post(LOGIN, json={"email": account.email, "password": PASSWORD}, headers=session)
    other, third = f"{session_id}.other", f"{session_id}.third"
    assert await merge(auth, session, session_id, other) == other
    assert neighbours.told_of(session_id) == both_told(session_id, account.id)
    assert await merge(auth, session, other, session_id, third) == other
    assert neighbours.told_of(third) == both_told(third, other)
    assert await merge(auth, session, session_id, third) == session_id, "both have ended"


async def test_what_was_merged_into_a_session_is_claimed_with_it(
    auth: httpx.AsyncClient,
    account: Account,
    session: dict[str, str],
    session_id: str,
    neighbours: Neighbours,
    identity_keys: IdentityKeys,
    heard: list[Event],
) -> None:
    """Also where the services did not apply the merge in time."""
    neighbours.silent.update({"resumes", "payments"})
    other, third = f"{session_id}.other", f"{session_id}.third"
    await merge(auth, identity_keys.session("auth", other), other, third)
    await merge(auth, session, session_id, other)
    neighbours.silent.clear()
    await auth.post(LOGIN, json={"email": account.email, "password": PASSWORD}, headers=session)
    ended = (session_id, other, third)
    await eventually(lambda: [claims_heard(heard, each) for each in ended] == [[account.id]] * 3)
    assert merges_heard(heard, third) == [other, session_id]


async def test_only_the_gateway_may_merge(
    auth: httpx.AsyncClient, session: dict[str, str], session_id: str, identity_keys: IdentityKeys
) -> None:
    body = {"session_ids": [session_id, f"{session_id}.other"]}
    service = identity_keys.service("auth", "resumes")
    assert (await auth.post("/sessions/merge/", json=body, headers=service)).status_code == 404
    assert (await auth.post("/sessions/merge/", json=body)).status_code == 401
    for bad in ([], ["a" * 65], [str(number) for number in range(21)]):
        answer = await auth.post("/sessions/merge/", json={"session_ids": bad}, headers=session)
        assert answer.status_code in (400, 404)
