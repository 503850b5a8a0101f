"""Pages, versions, idempotency keys and forms."""

import asyncio
import io
import itertools
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cv_common.kernel.identity import Caller
from cv_resumes.actions.context import Context
from cv_resumes.actions.lists import CHUNK_SIZE, list_resumes
from cv_resumes.actions.resumes import create_resume, delete_resume
from cv_testing.identity import IdentityKeys
from PIL import Image

from services.resumes.tests.conftest import new_resume

MINIMUM = {"template": 1, "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}


def _pixel() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (1, 1)).save(out, "PNG")
    return out.getvalue()


PIXEL = _pixel()


async def write(resumes: httpx.AsyncClient, headers: dict[str, str], **changes: Any) -> httpx.Response:
    answer = await resumes.post("/api/resumes/", json={**MINIMUM, **changes}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer


async def test_next_links_lead_through_the_whole_list(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    written = [(await write(resumes, user)).json()["id"] for _ in range(5)]
    whole = await resumes.get("/api/resumes/", headers=user)
    assert whole.headers["X-Total-Count"] == "5"
    assert "Link" not in whole.headers
    seen, url = [], "/api/resumes/?limit=2"
    while url:
        page = await resumes.get(url, headers=user)
        assert page.headers["X-Total-Count"] == "5"
        seen += [resume["id"] for resume in page.json()]
        url = page.links.get("next", {}).get("url", "").removeprefix("http://localhost:8000")
    assert seen == written[::-1] == [resume["id"] for resume in whole.json()]
    assert page.links["prev"]["url"] == "http://localhost:8000/api/resumes/?limit=2&offset=2"


async def test_long_list_is_streamed(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    written = [(await write(resumes, user, title=f"{n}")).json()["id"] for n in range(2 * CHUNK_SIZE + 1)]
    for query, shown in (("", written[::-1]), ("?limit=10&offset=3", written[::-1][3:13])):
        whole = await resumes.get(f"/api/resumes/{query}", headers=user)
        assert [resume["id"] for resume in whole.json()] == shown
        assert whole.headers["X-Total-Count"] == str(len(written))
        assert whole.headers["Content-Type"] == "application/json"
        assert "Content-Length" not in whole.headers
    short = await resumes.get(f"/api/resumes/?limit={CHUNK_SIZE}", headers=user)
    assert [resume["id"] for resume in short.json()] == written[::-1][:CHUNK_SIZE]
    assert "Content-Length" in short.headers


async def test_concurrent_edits_do_not_shift_a_streamed_list(context: Context) -> None:
    """A few of a list are in memory at a time, however long it is."""
    caller = Caller("gateway", user_id=7)
    written = [(await create_resume(context, caller, new_resume())).resume.id for _ in range(3 * CHUNK_SIZE)]
    listed = await list_resumes(context, caller, None, lambda resume: str(resume.id).encode())
    assert (listed.total, len(listed.first_chunk)) == (len(written), CHUNK_SIZE)
    await create_resume(context, caller, new_resume())
    for gone in (written[-1], written[0]):
        await delete_resume(context, caller, gone)
    assert listed.other_chunks is not None
    read = [int(item) for item in itertools.chain(listed.first_chunk, *[chunk async for chunk in listed.other_chunks])]
    assert read == written[:0:-1]


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "limit=0", "offset=3", "limit=1e9"])
async def test_invalid_limit_is_ignored(resumes: httpx.AsyncClient, user: dict[str, str], query: str) -> None:
    await write(resumes, user)
    assert len((await resumes.get(f"/api/resumes/?{query}", headers=user)).json()) == 1


async def test_huge_limit_and_offset_are_accepted(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    for _ in range(101):
        await write(resumes, user)
    for query, shown in (("limit=1&offset=9999999999", 0), (f"limit={'9' * 5000}", 100)):
        assert len((await resumes.get(f"/api/resumes/?{query}", headers=user)).json()) == shown


async def test_edit_of_an_old_version_is_answered_with_the_current_resume(
    resumes: httpx.AsyncClient, user: dict[str, str]
) -> None:
    written = await write(resumes, user)
    path, first = f"/api/resumes/{written.json()['id']}/", written.headers["ETag"]
    assert (await resumes.get(path, headers=user)).headers["ETag"] == first
    changed = await resumes.patch(path, json={"title": "Un"}, headers={**user, "If-Match": first})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first
    for method in ("PATCH", "DELETE"):
        refused = await resumes.request(method, path, json={"title": "Deux"}, headers={**user, "If-Match": first})
        assert refused.status_code == 412
        assert refused.headers["ETag"] == changed.headers["ETag"]
        assert refused.json()["current"]["title"] == "Un"
    current = changed.headers["ETag"]
    for tags in ("*", f'"other", {current}', f"W/{current}", f'W/"other", {current}', f'"other",W/{current}'):
        assert (await resumes.patch(path, json={}, headers={**user, "If-Match": tags})).status_code == 200
    for tags in (f"W/{first}", f'W/"other", {first}', current.strip('"'), ""):
        assert (await resumes.patch(path, json={}, headers={**user, "If-Match": tags})).status_code == 412
    last = {**user, "If-Match": f"W/{current}"}
    assert (await resumes.delete(path, headers=last)).status_code == 204


async def test_saving_unchanged_fields_makes_no_new_version(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    written = await write(resumes, user, title="Un")
    path = f"/api/resumes/{written.json()['id']}/"
    again = await resumes.patch(path, json={"title": " Un "}, headers=user)
    assert again.headers["ETag"] == written.headers["ETag"]
    assert again.json()["updated_at"] == written.json()["updated_at"]


async def test_repeated_idempotency_key_creates_one_resume(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    headers = {**user, "Idempotency-Key": "3e9a6b0c"}
    answers = await asyncio.gather(*(resumes.post("/api/resumes/", json=MINIMUM, headers=headers) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await resumes.get("/api/resumes/", headers=user)).json()) == 1
    other = await resumes.post("/api/resumes/", json={**MINIMUM, "title": "Autre"}, headers=headers)
    assert (other.status_code, other.json()) == (
        400, {"detail": "This Idempotency-Key was used for another request."},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/resumes/", MINIMUM),
        ("/api/resumes/import_linkedin/", {"linkedin_url": "https://www.linkedin.com/in/johndoe"}),
    ],
)
async def test_repeated_key_of_a_deleted_resume_is_refused(
    resumes: httpx.AsyncClient, user: dict[str, str], path: str, body: dict[str, Any]
) -> None:
    headers = {**user, "Idempotency-Key": "then-deleted"}
    first = await resumes.post(path, json=body, headers=headers)
    assert (await resumes.delete(f"/api/resumes/{first.json()['id']}/", headers=user)).status_code == 204
    again = await resumes.post(path, json=body, headers=headers)
    assert (again.status_code, again.json()) == (
        400, {"detail": "The CV that was created with this Idempotency-Key has been deleted."},
    )  # fmt: skip
    assert (await resumes.get("/api/resumes/", headers=user)).json() == []


async def test_repeated_key_of_a_claimed_session_is_refused(
    resumes: httpx.AsyncClient, stranger: dict[str, str], identity_keys: IdentityKeys, user_id: int
) -> None:
    body, headers = {**MINIMUM, "title": "Prise en compte"}, {**stranger, "Idempotency-Key": str(uuid4())}
    first = await resumes.post("/api/resumes/", json=body, headers=headers)
    claim = f"/internal/sessions/{first.headers['X-Session-Start']}/claim/"
    auth = identity_keys.service("resumes", "auth")
    assert (await resumes.post(claim, json={"user_id": user_id}, headers=auth)).status_code == 204
    again = await resumes.post("/api/resumes/", json=body, headers=headers)
    assert (again.status_code, again.json()) == (
        400, {"detail": "The CV that was created with this Idempotency-Key belongs to an account now."},
    )  # fmt: skip
    assert "X-Session-Start" not in again.headers

    account = {**identity_keys.user("resumes", user_id), "Idempotency-Key": headers["Idempotency-Key"]}
    from_account = await resumes.post("/api/resumes/", json=body, headers=account)
    assert from_account.json()["id"] == first.json()["id"]


async def test_repeated_key_without_a_session_returns_the_same_session(
    resumes: httpx.AsyncClient, stranger: dict[str, str], identity_keys: IdentityKeys
) -> None:
    body = {**MINIMUM, "title": "Perdue en route"}
    headers = {"Idempotency-Key": str(uuid4())}
    first = await resumes.post("/api/resumes/", json=body, headers=stranger | headers)
    again = await resumes.post("/api/resumes/", json=body, headers=stranger | headers)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["X-Session-Start"] == first.headers["X-Session-Start"]
    session = identity_keys.session("resumes", first.headers["X-Session-Start"])
    third = await resumes.post("/api/resumes/", json=body, headers=session | headers)
    assert third.json()["id"] == first.json()["id"]
    assert "X-Session-Start" not in third.headers
    stolen = await resumes.post("/api/resumes/", json=MINIMUM, headers=stranger | headers)
    assert stolen.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", ["1", "a-visitor's-first", "0" * 36, "a-b-c-d-a-b-c-d-a-b-c-d-a-b-c-d"])
async def test_guessable_key_never_returns_the_session_of_another_visitor(
    resumes: httpx.AsyncClient, stranger: dict[str, str], identity_keys: IdentityKeys, key: str
) -> None:
    headers = {"Idempotency-Key": key}
    first, other = [await resumes.post("/api/resumes/", json=MINIMUM, headers=stranger | headers) for _ in "ab"]
    assert other.json()["id"] != first.json()["id"]
    assert other.headers["X-Session-Start"] != first.headers["X-Session-Start"]
    session = identity_keys.session("resumes", first.headers["X-Session-Start"])
    again = await resumes.post("/api/resumes/", json=MINIMUM, headers=session | headers)
    assert again.json()["id"] == first.json()["id"]


async def test_repeated_form_with_a_file_creates_one_resume(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    def form(photo: bytes) -> dict[str, Any]:
        return {"data": {**MINIMUM, "skills_data[0]name": "React"}, "files": {"photo": ("me.png", photo)}}

    headers = {**user, "Idempotency-Key": "with-a-photo"}
    first, again = [await resumes.post("/api/resumes/", **form(PIXEL), headers=headers) for _ in "ab"]
    assert first.request.headers["Content-Type"] != again.request.headers["Content-Type"]
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    other = await resumes.post("/api/resumes/", **form(PIXEL + b" "), headers=headers)
    assert (other.status_code, other.json()) == (
        400, {"detail": "This Idempotency-Key was used for another request."},
    )  # fmt: skip


@pytest.mark.parametrize(
    "form",
    [
        {
            "experience_data[0]company": "Tech Corp",
            "experience_data[0]position": "Dev",
            "experience_data[0]start_date": "2020-01-15",
            "experience_data[0]end_date": "",
            "experience_data[0]is_current": "on",
        },
        {
            "experience_data": '[{"company": "Tech Corp", "position": "Dev", "start_date": "2020-01-15", '
            '"is_current": true}]'
        },
    ],
    ids=["brackets", "json"],
)
async def test_forms_are_read_like_json(resumes: httpx.AsyncClient, user: dict[str, str], form: dict[str, str]) -> None:
    answer = await resumes.post("/api/resumes/", data={**MINIMUM, "title": "", **form}, headers=user)
    assert answer.status_code == 201, answer.text
    (experience,) = answer.json()["experiences"]
    assert (experience["company"], experience["end_date"], experience["is_current"]) == ("Tech Corp", None, True)
    assert answer.json()["title"] == ""
    refused = await resumes.post("/api/resumes/", data={**MINIMUM, "skills_data": "React"}, headers=user)
    assert refused.status_code == 400
    assert list(refused.json()) == ["skills_data"]
