"""Anonymous sessions: their start, and that each visitor has only one."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from cv_stack.system import System

from tests.contract.document import example
from tests.integration.visitor import Visitor, eventually, expect

LIST = "/api/resumes/"
RESUME: dict[str, Any] = example("3.2 request, minimum")


async def write_twice_concurrently(visitor: Visitor, *, keys: tuple[str, str] | None = None) -> list[dict[str, Any]]:
    """Send two creations concurrently without a cookie."""
    headers = [{"Idempotency-Key": key} for key in keys] if keys else [{}, {}]
    answers = await asyncio.gather(*(visitor.request("POST", LIST, json=RESUME, headers=each) for each in headers))
    return [expect(answer, 201) for answer in answers]


async def test_first_list_begins_the_session(visitor: Visitor) -> None:
    answer = await visitor.request("GET", LIST)
    assert expect(answer, 200) == []
    (cookie,) = answer.headers.get_list("set-cookie")
    session_id = cookie.removeprefix("sessionid=").partition(".")[0]
    resumes = await asyncio.gather(*(visitor.write_resume(title=title) for title in ("one", "other")))
    assert {resume["session_id"] for resume in resumes} == {session_id}
    await visitor.export(resumes[0]["id"])
    await visitor.checkout(resumes[0]["id"])
    assert [payment["resume_id"] for payment in await visitor.get("/api/payments/")] == [resumes[0]["id"]]
    user = await visitor.register()
    assert "sessionid" not in visitor.cookies
    await visitor.login(user["email"])
    mine = await visitor.get(LIST)
    assert {(resume["id"], resume["user"], resume["session_id"]) for resume in mine} == {
        (resume["id"], user["id"], None) for resume in resumes
    }
    assert [payment["resume_id"] for payment in await visitor.get("/api/payments/")] == [resumes[0]["id"]]


async def test_cookie_of_an_ended_session_begins_another(visitor: Visitor) -> None:
    await visitor.get(LIST)
    ended = visitor.cookies["sessionid"]
    await visitor.register()
    for method, body in (("GET", None), ("POST", RESUME)):
        answer = await visitor.request(method, LIST, json=body, headers={"Cookie": f"sessionid={ended}"})
        assert answer.status_code in (200, 201)
        assert not visitor.cookies["sessionid"].startswith(ended.partition(".")[0])
        visitor.cookies.clear()


async def test_concurrent_first_creations_belong_to_one_session(visitor: Visitor, stranger: Visitor) -> None:
    one, other = await write_twice_concurrently(visitor)
    answers = await asyncio.gather(*(visitor.request("GET", f"{LIST}{each['id']}/") for each in (one, other)))
    seen = [expect(answer, 200) for answer in answers]
    assert seen[0]["session_id"] == seen[1]["session_id"]
    assert {resume["id"] for resume in await visitor.get(LIST)} == {one["id"], other["id"]}
    for each in (one, other):
        expect(await stranger.request("GET", f"{LIST}{each['id']}/"), 404)
    assert len([name for name in visitor.cookies if name.startswith("sessionid_")]) == 1


async def test_concurrent_first_creations_with_one_key_create_one_resume(visitor: Visitor, stranger: Visitor) -> None:
    key = str(uuid4())
    one, other = await write_twice_concurrently(visitor, keys=(key, key))
    assert (one["id"], one["session_id"]) == (other["id"], other["session_id"])
    assert await visitor.get(LIST) == [one]
    # A repetition with another session, or without one, returns the same resume.
    await stranger.get(LIST)
    again = expect(await stranger.request("POST", LIST, json=RESUME, headers={"Idempotency-Key": key}), 201)
    assert again["id"] == one["id"]


async def test_concurrent_first_purchase_and_creation_belong_to_one_session(visitor: Visitor) -> None:
    resume, checkout = await asyncio.gather(visitor.write_resume(), visitor.checkout(payment_type="monthly"))
    assert [each["id"] for each in await visitor.get(LIST)] == [resume["id"]]
    await visitor.pay(checkout)
    user = await visitor.register()
    await visitor.login(user["email"])
    assert [each["id"] for each in await visitor.get(LIST)] == [resume["id"]]

    async def is_paid() -> bool:
        return [each["payment_type"] for each in await visitor.get("/api/payments/")] == ["monthly"]

    await eventually(is_paid)


async def test_login_claims_both_sessions(visitor: Visitor) -> None:
    one, other = await write_twice_concurrently(visitor)
    user = await visitor.register()
    assert not [name for name in visitor.cookies if name.startswith("sessionid")]
    await visitor.login(user["email"])
    assert {resume["id"] for resume in await visitor.get(LIST)} == {one["id"], other["id"]}


async def test_late_response_of_a_list_loses_no_resume(visitor: Visitor) -> None:
    """The response to a first GET arrives after a creation, with the cookie of another session."""
    late = await visitor.request("GET", LIST)
    visitor.cookies.clear()
    await visitor.get(LIST)
    resume = await visitor.write_resume()
    plant(visitor, "sessionid", late.cookies["sessionid"])
    assert [each["id"] for each in await visitor.get(LIST)] == [resume["id"]]


def plant(visitor: Visitor, name: str, value: str | None) -> None:
    """Set a cookie like a response of the gateway."""
    known = next(iter(visitor.cookies.jar))
    visitor.cookies.set(name, value or "", domain=known.domain, path=known.path)


async def test_unsigned_sessions_are_not_merged(visitor: Visitor, stranger: Visitor) -> None:
    theirs = await stranger.write_resume()
    victim = stranger.cookies["sessionid"]
    session_id, _, signature = victim.partition(".")
    mine = await visitor.write_resume()
    own, _, own_signature = visitor.cookies["sessionid"].partition(".")
    forged = [
        f"sessionid_{session_id[:8]}={session_id}.{own_signature}",
        f"sessionid_{session_id[:8]}={session_id}.{signature[:-1]}",
        f"sessionid_{session_id[:8]}={session_id}",
        f"sessionid_{own[:8]}={victim}",
        f"sessionid_={victim}",
        f"sessionid_x={victim}",
        f"sessionid_{session_id[:8]}=",
    ]
    cookies = "; ".join([f"sessionid={own}.{own_signature}", *forged])
    answer = await visitor.request("GET", LIST, headers={"Cookie": cookies})
    assert [each["id"] for each in expect(answer, 200)] == [mine["id"]]
    assert [each["id"] for each in await stranger.get(LIST)] == [theirs["id"]]


async def test_hundred_marks_are_merged_over_several_requests(visitor: Visitor, system: System) -> None:
    created = []
    for _ in range(20):
        async with Visitor(system.ports.public_url) as another:
            created.append((await another.write_resume())["id"])
            visitor.cookies.update(another.cookies)
    for number in range(80):
        plant(visitor, f"sessionid_{number:08}", f"{number:032}.x")
    assert len(visitor.cookies) == 1 + 20 + 80
    for _ in range(4):
        await visitor.get(LIST)
    assert {each["id"] for each in await visitor.get(LIST)} == set(created)


async def test_user_request_does_not_merge_sessions(visitor: Visitor, john: Visitor) -> None:
    one, other = await write_twice_concurrently(visitor)
    john.cookies.update(visitor.cookies)
    assert await john.get(LIST) == []
    assert {resume["id"] for resume in await visitor.get(LIST)} == {one["id"], other["id"]}


@pytest.mark.parametrize(
    "key",
    [
        str(UUID(int=0)),
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",  # version 1
        "6fa459ea-ee8a-3ca4-894e-db77e160355e",  # version 3
        "aB3dE5gH7jK9mN1pQ3sT5vX7",
        "checkout-form-2026-11-30T12:00",
        f"urn:uuid:{UUID(int=2**127, version=4)}",
    ],
)
async def test_predictable_key_reveals_no_session(visitor: Visitor, stranger: Visitor, key: str) -> None:
    headers = {"Idempotency-Key": key}
    body = {**RESUME, "title": key}
    one, other = [
        expect(await each.request("POST", LIST, json=body, headers=headers), 201) for each in (visitor, stranger)
    ]
    assert one["id"] != other["id"]
    assert one["session_id"] != other["session_id"]
    again = expect(await visitor.request("POST", LIST, json=body, headers=headers), 201)
    assert again["id"] == one["id"], "within a session every key counts"


async def test_page_of_another_origin_starts_no_session(visitor: Visitor) -> None:
    """The browser may omit its cookie in such a request, and a new one would replace it."""
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        for method in ("GET", "POST"):
            answer = await visitor.request(method, LIST, json=RESUME, headers=headers)
            assert answer.status_code in (200, 201)
            assert "set-cookie" not in answer.headers
