"""The most resumes of an owner."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cv_resumes.main import app
from cv_testing.identity import IdentityKeys
from cv_testing.serving import serving

MINIMUM = {"template": 1, "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}
PROFILE = {"linkedin_url": "https://www.linkedin.com/in/johndoe"}
REGISTER = {"detail": "Without an account you can keep at most 3 CVs: register to write more."}
DELETE = {"detail": "An account can keep at most 5 CVs: delete one to write another."}


@pytest.fixture(scope="session")
async def frugal(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """The service with small quotas."""
    async with serving(app, {**environment, "MAX_ANONYMOUS_RESUMES": "3", "MAX_RESUMES": "5"}) as client:
        yield client


async def write(
    frugal: httpx.AsyncClient, headers: dict[str, str], path: str = "", body: Any = MINIMUM
) -> httpx.Response:
    return await frugal.post(f"/api/resumes/{path}", json=body, headers=headers)


async def count(frugal: httpx.AsyncClient, headers: dict[str, str]) -> int:
    return len((await frugal.get("/api/resumes/", headers=headers)).json())


async def test_session_at_its_quota_is_asked_to_register(
    frugal: httpx.AsyncClient, stranger: dict[str, str], identity_keys: IdentityKeys, user: dict[str, str], user_id: int
) -> None:
    session_id = (await write(frugal, stranger)).headers["X-Session-Start"]
    session = identity_keys.session("resumes", session_id)
    last = {**session, "Idempotency-Key": "the-last-one"}
    assert [(await write(frugal, headers)).status_code for headers in (session, last)] == [201, 201]
    for path, body in (("", MINIMUM), ("import_linkedin/", PROFILE)):
        refused = await write(frugal, session, path, body)
        assert (refused.status_code, refused.json()) == (400, REGISTER)
    assert (await write(frugal, last)).status_code == 201  # sent again: it is there already
    as_auth = identity_keys.service("resumes", "auth")
    await frugal.post(f"/internal/sessions/{session_id}/claim/", json={"user_id": user_id}, headers=as_auth)
    assert (await write(frugal, user)).status_code == 201
    assert await count(frugal, user) == 4


async def test_account_at_its_quota_must_delete_a_resume_first(frugal: httpx.AsyncClient, user: dict[str, str]) -> None:
    written = [await write(frugal, user) for _ in range(5)]
    refused = await write(frugal, user)
    assert (refused.status_code, refused.json()) == (400, DELETE)
    await frugal.delete(f"/api/resumes/{written[0].json()['id']}/", headers=user)
    assert (await write(frugal, user)).status_code == 201


async def test_concurrent_requests_do_not_exceed_the_quota(frugal: httpx.AsyncClient, user: dict[str, str]) -> None:
    answers = await asyncio.gather(*(write(frugal, user) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [400] * 7
    assert await count(frugal, user) == 5
