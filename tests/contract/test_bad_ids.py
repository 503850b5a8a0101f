"""Unknown ids, malformed ids, and ids of other owners."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from cv_stack.system import System

from tests.contract.document import example
from tests.integration.visitor import Visitor, expect

LIST = "/api/resumes/"
NOT_FOUND = {"detail": "Not found."}
NOBODYS = ("0", "-1", str(2**31), str(2**63), "9" * 5000, "1;drop", "1;drop table x", "1.0", "%31", "²", "x", "null")
VERBS = (("GET", ""), ("HEAD", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "export_pdf/"))


@pytest.mark.parametrize("resume_id", NOBODYS)
async def test_unknown_resume_is_not_found(visitor: Visitor, resume_id: str) -> None:
    await visitor.write_resume()
    for method, action in VERBS[2:]:
        answer = await visitor.request(method, f"{LIST}{resume_id}/{action}", json={})
        assert expect(answer, 404) == NOT_FOUND, method
    assert expect(await visitor.request("GET", f"{LIST}{resume_id}/"), 404) == NOT_FOUND
    assert len(await visitor.get(LIST)) == 1


@pytest.mark.parametrize("template_id", NOBODYS)
async def test_unknown_template_is_not_found(visitor: Visitor, template_id: str) -> None:
    assert expect(await visitor.request("GET", f"/api/templates/{template_id}/"), 404) == NOT_FOUND


@pytest.mark.parametrize("template", [0, -1, 2**31, 2**63, 10**40, 999.5, 1e30, "999", "-1", "9_9", " 999 "])
async def test_resume_with_an_unknown_template_is_refused(visitor: Visitor, template: Any) -> None:
    resume = await visitor.write_resume()
    expected = {"template": [f'Invalid pk "{template}" - object does not exist.']}
    body = example("3.2 request, minimum") | {"template": template}
    for method, path in (("POST", LIST), ("PATCH", f"{LIST}{resume['id']}/")):
        assert expect(await visitor.request(method, path, json=body), 400) == expected, method


@pytest.mark.parametrize("template", ["1;drop", "x", "1.5", True, [1], "9" * 5000])
async def test_resume_with_a_malformed_template_id_is_refused(visitor: Visitor, template: Any) -> None:
    body = example("3.2 request, minimum") | {"template": template}
    expected = f"Incorrect type. Expected pk value, received {type(template).__name__}."
    assert expect(await visitor.request("POST", LIST, json=body), 400) == {"template": [expected]}


@pytest.mark.parametrize("resume_id", [0, -1, 999_999_999, 2**63, "1;drop", True, [1], None])
async def test_checkout_of_an_unknown_resume_is_refused(visitor: Visitor, resume_id: Any) -> None:
    body = {
        "payment_type": "single", "resume_id": resume_id,
        "success_url": "http://localhost:3000/payment/success", "cancel_url": "http://localhost:3000/payment/cancel",
    }  # fmt: skip
    refused = expect(await visitor.request("POST", "/api/payments/create-checkout/", json=body), 400)
    assert list(refused) == ["resume_id"]
    if resume_id in (0, 999_999_999):
        assert refused == {"resume_id": [f"Resume with id {resume_id} does not exist."]}


@pytest.fixture
async def people(system: System, john: Visitor) -> AsyncIterator[dict[str, Visitor]]:
    """Two accounts, two sessions, and a visitor without either."""
    url = system.ports.public_url
    async with Visitor(url) as marie, Visitor(url) as session, Visitor(url) as other, Visitor(url) as nobody:
        await marie.login((await marie.register())["email"])
        for visitor in (session, other):
            await visitor.write_resume()
        yield {"user": john, "another user": marie, "session": session, "another session": other, "nobody": nobody}


@pytest.mark.parametrize(
    ("owner", "intruder"),
    [
        *(("user", intruder) for intruder in ("another user", "session", "nobody")),
        *(("session", intruder) for intruder in ("user", "another session", "nobody")),
    ],
)
async def test_resume_of_another_owner_is_not_found(people: dict[str, Visitor], owner: str, intruder: str) -> None:
    theirs = await people[owner].write_resume(title="Mine", template=1)
    before = await people[owner].get(LIST)
    for method, action in VERBS:
        answer = await people[intruder].request(method, f"{LIST}{theirs['id']}/{action}", json={"title": "Stolen"})
        assert answer.status_code == 404, method
        assert method == "HEAD" or answer.json() == NOT_FOUND
    assert await people[owner].get(LIST) == before
    assert theirs["id"] not in [resume["id"] for resume in await people[intruder].get(LIST)]


async def test_entry_ids_of_other_resumes_are_ignored(visitor: Visitor, stranger: Visitor) -> None:
    theirs = (await stranger.write_resume(skills_data=[{"name": "Python"}]))["skills"][0]
    ids: list[Any] = [theirs["id"], 0, -1, 2**63, "1;drop", True, None, {}]
    resume = await visitor.write_resume(skills_data=[{"id": each, "name": f"Skill {n}"} for n, each in enumerate(ids)])
    mine = [skill["id"] for skill in resume["skills"]]
    assert len(set(mine)) == len(ids)
    assert theirs["id"] not in mine
    (listed,) = await stranger.get(LIST)
    assert listed["skills"] == [theirs]
