"""Claiming and merging anonymous sessions."""

import asyncio
from typing import Any

import httpx
import psycopg
from cv_common.messaging.events import Event, SessionClaimed, SessionMerged
from cv_testing.identity import IdentityKeys
from cv_testing.serving import eventually
from psycopg.rows import DictRow

from services.auth.tests.cast import PASSWORD, Account, Claim, FakeServices

LOGIN, REGISTER = "/api/auth/login/", "/api/auth/register/"


def claims_heard(published_events: list[Event], session_id: str) -> list[int]:
    """The users in the published claims of a session."""
    return [
        event.user_id
        for event in published_events
        if isinstance(event, SessionClaimed) and event.session_id == session_id
    ]


def merges_heard(published_events: list[Event], session_id: str) -> list[str]:
    """The targets in the published merges of a session."""
    return [
        event.into_session_id
        for event in published_events
        if isinstance(event, SessionMerged) and event.session_id == session_id
    ]


async def merge(auth: httpx.AsyncClient, headers: dict[str, str], *session_ids: str) -> str:
    """The session that remains, from the response to the gateway."""
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
    services: FakeServices,
    published_events: list[Event],
) -> None:
    login = {"email": account.email, "password": PASSWORD}
    answer = await auth.post(LOGIN, json=login, headers=session)
    assert (answer.status_code, answer.headers["X-Session-End"]) == (200, "1")
    assert services.claims_of(session_id) == both_told(session_id, account.id)
    await eventually(lambda: claims_heard(published_events, session_id) == [account.id])


async def test_registration_claims_the_session(
    auth: httpx.AsyncClient,
    person: dict[str, Any],
    session: dict[str, str],
    session_id: str,
    services: FakeServices,
    published_events: list[Event],
) -> None:
    answer = await auth.post(REGISTER, json=person, headers=session)
    assert (answer.status_code, answer.headers["X-Session-End"]) == (201, "1")
    user_id = answer.json()["user"]["id"]
    assert services.claims_of(session_id) == both_told(session_id, user_id)
    await eventually(lambda: claims_heard(published_events, session_id) == [user_id])


async def test_failed_login_and_registration_claim_nothing(
    auth: httpx.AsyncClient,
    account: Account,
    person: dict[str, Any],
    session: dict[str, str],
    session_id: str,
    services: FakeServices,
    database: psycopg.AsyncConnection[DictRow],
) -> None:
    wrong = {"email": account.email, "password": "WrongPass123!"}
    for answer in (
        await auth.post(LOGIN, json=wrong, headers=session),
        await auth.post(REGISTER, json=person, headers=session),  # the name is taken
    ):
        assert answer.status_code in (400, 401)
        assert "X-Session-End" not in answer.headers
    assert services.claims_of(session_id) == {}
    cursor = await database.execute("select from claimed_sessions where session_id = %s", (session_id,))
    assert await cursor.fetchall() == []


async def test_a_claimed_session_cannot_be_claimed_again(
    auth: httpx.AsyncClient,
    account: Account,
    person: dict[str, Any],
    session: dict[str, str],
    session_id: str,
    services: FakeServices,
    published_events: list[Event],
) -> None:
    login = {"email": account.email, "password": PASSWORD}
    other = {**person, "username": f"other_{person['username']}", "email": f"other_{person['email']}"}
    await auth.post(LOGIN, json=login, headers=session)
    late = await auth.post(REGISTER, json=other, headers=session)
    again = await auth.post(LOGIN, json=login, headers=session)
    assert (late.status_code, again.status_code) == (201, 200)
    assert (late.headers["X-Session-End"], again.headers["X-Session-End"]) == ("1", "1")
    assert len([claim for claim in services.claims if claim.session_id == session_id]) == 2
    assert services.claims_of(session_id) == both_told(session_id, account.id)
    await eventually(lambda: claims_heard(published_events, session_id) == [account.id])


async def test_concurrent_logins_claim_the_session_once(
    auth: httpx.AsyncClient,
    account: Account,
    person: dict[str, Any],
    stranger: dict[str, str],
    session: dict[str, str],
    session_id: str,
    services: FakeServices,
) -> None:
    other = {**person, "username": f"other_{person['username']}", "email": f"other_{person['email']}"}
    await auth.post(REGISTER, json=other, headers=stranger)
    bodies = [{"email": email, "password": PASSWORD} for email in (account.email, other["email"])]
    answers = await asyncio.gather(*(auth.post(LOGIN, json=body, headers=session) for body in bodies))
    assert [answer.status_code for answer in answers] == [200, 200]
    claims = services.claims_of(session_id)
    assert claims["resumes"].into == claims["payments"].into


async def test_login_succeeds_while_other_services_fail(
    auth: httpx.AsyncClient,
    account: Account,
    session: dict[str, str],
    session_id: str,
    services: FakeServices,
    published_events: list[Event],
) -> None:
    services.silent.add("resumes")
    services.statuses["payments"] = 503
    login = {"email": account.email, "password": PASSWORD}
    answer = await auth.post(LOGIN, json=login, headers=session)
    assert (answer.status_code, answer.headers["X-Session-End"]) == (200, "1")
    assert services.claims_of(session_id) == {}
    await eventually(lambda: claims_heard(published_events, session_id) == [account.id])


async def test_session_of_a_deleted_account_stays_ended(
    auth: httpx.AsyncClient,
    account: Account,
    person: dict[str, Any],
    session: dict[str, str],
    session_id: str,
    services: FakeServices,
    identity_keys: IdentityKeys,
) -> None:
    await auth.post(LOGIN, json={"email": account.email, "password": PASSWORD}, headers=session)
    erased = await auth.request("DELETE", "/api/auth/profile/", json={"password": PASSWORD}, headers=account.headers)
    assert erased.status_code == 204
    assert (await auth.post(REGISTER, json=person, headers=session)).status_code == 201
    assert services.claims_of(session_id) == both_told(session_id, account.id)


async def test_sessions_of_one_visitor_are_merged_into_the_first(
    auth: httpx.AsyncClient,
    session: dict[str, str],
    session_id: str,
    services: FakeServices,
    published_events: list[Event],
) -> None:
    others = [f"{session_id}.{number}" for number in range(3)]
    remains = await asyncio.gather(*(merge(auth, session, session_id, *others) for _ in range(3)))
    assert remains == [session_id] * 3
    for other in others:
        assert services.claims_of(other) == both_told(other, session_id)
    await eventually(lambda: [merges_heard(published_events, other) for other in others] == [[session_id]] * 3)
    assert services.claims_of(session_id) == {}


async def test_a_session_listed_twice_is_not_merged_into_itself(
    auth: httpx.AsyncClient, account: Account, session: dict[str, str], session_id: str, services: FakeServices
) -> None:
    other = f"{session_id}.other"
    assert await merge(auth, session, session_id, session_id, other, other) == session_id
    assert services.claims_of(session_id) == {}
    assert services.claims_of(other) == both_told(other, session_id)
    await auth.post(LOGIN, json={"email": account.email, "password": PASSWORD}, headers=session)
    assert services.claims_of(session_id) == both_told(session_id, account.id)


async def test_merge_without_the_callers_session_is_rejected(
    auth: httpx.AsyncClient, session: dict[str, str], stranger: dict[str, str], session_id: str, services: FakeServices
) -> None:
    others = [f"{session_id}.{number}" for number in range(2)]
    for headers in (session, stranger):
        answer = await auth.post("/sessions/merge/", json={"session_ids": others}, headers=headers)
        assert answer.status_code == 400
    assert [services.claims_of(other) for other in others] == [{}, {}]


async def test_concurrent_merges_of_the_same_sessions_agree(
    auth: httpx.AsyncClient, session: dict[str, str], session_id: str
) -> None:
    other = f"{session_id}.other"
    remains = await asyncio.gather(merge(auth, session, session_id, other), merge(auth, session, other, session_id))
    assert len(set(remains)) == 1


async def test_an_ended_session_is_not_merged(
    auth: httpx.AsyncClient, account: Account, session: dict[str, str], session_id: str, services: FakeServices
) -> None:
    await auth.post(LOGIN, json={"email": account.email, "password": PASSWORD}, headers=session)
    other, third = f"{session_id}.other", f"{session_id}.third"
    assert await merge(auth, session, session_id, other) == other
    assert services.claims_of(session_id) == both_told(session_id, account.id)
    assert await merge(auth, session, other, session_id, third) == other
    assert services.claims_of(third) == both_told(third, other)
    assert await merge(auth, session, session_id, third) == session_id, "both have ended"


async def test_claiming_a_session_claims_the_sessions_merged_into_it(
    auth: httpx.AsyncClient,
    account: Account,
    session: dict[str, str],
    session_id: str,
    services: FakeServices,
    identity_keys: IdentityKeys,
    published_events: list[Event],
) -> None:
    """Including services that did not apply the merge in time."""
    services.silent.update({"resumes", "payments"})
    other, third = f"{session_id}.other", f"{session_id}.third"
    await merge(auth, identity_keys.session("auth", other), other, third)
    await merge(auth, session, session_id, other)
    services.silent.clear()
    await auth.post(LOGIN, json={"email": account.email, "password": PASSWORD}, headers=session)
    ended = (session_id, other, third)
    await eventually(lambda: [claims_heard(published_events, each) for each in ended] == [[account.id]] * 3)
    assert merges_heard(published_events, third) == [other, session_id]


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
