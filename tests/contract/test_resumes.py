"""Section 3 of the document, example by example."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.contract.conftest import Compare
from tests.contract.document import example, requested
from tests.contract.images import jpeg
from tests.integration.visitor import Visitor, eventually, expect

LIST = "/api/resumes/"
MOMENTS = ("created_at", "updated_at", "last_accessed")


async def write(visitor: Visitor, body: Any) -> dict[str, Any]:
    created: dict[str, Any] = expect(await visitor.request("POST", LIST, json=body), 201)
    return created


async def write_example(john: Visitor) -> dict[str, Any]:
    """Create the resume of example 3.1, with its photo."""
    created = await write(john, requested(example("3.1 response, user")[0]))
    photo = {"photo": ("john_doe.jpg", jpeg(), "image/jpeg")}
    changed: dict[str, Any] = expect(await john.request("PATCH", path_of(created), files=photo), 200)
    return changed


def path_of(resume: dict[str, Any]) -> str:
    return f"{LIST}{resume['id']}/"


async def test_3_1_list_of_a_user(subscriber: Visitor, compare: Compare) -> None:
    await write_example(subscriber)
    assert compare(await subscriber.get(LIST), example("3.1 response, user")) == []


async def test_3_1_list_of_a_visitor(visitor: Visitor, compare: Compare) -> None:
    # Ruling: can_export_without_watermark of the example is a mistake, because its template is free.
    (expected,) = example("3.1 response, anonymous")
    expected["can_export_without_watermark"] = True
    created = await write(visitor, requested(expected))

    answer = await visitor.get(LIST)
    assert compare(answer, [expected]) == []
    assert str(visitor.cookies["sessionid"]).startswith(f"{created['session_id']}.")


async def test_3_1_list_has_own_resumes_newest_first(visitor: Visitor, stranger: Visitor) -> None:
    assert await visitor.get(LIST) == []
    ids = [(await visitor.write_resume())["id"] for _ in range(3)]
    await stranger.write_resume()
    assert [resume["id"] for resume in await visitor.get(LIST)] == ids[::-1]


async def test_3_1_user_does_not_see_resumes_of_sessions(visitor: Visitor, john: Visitor) -> None:
    await visitor.write_resume()
    visitor.token = john.token
    assert await visitor.get(LIST) == []


async def test_3_2_minimum(visitor: Visitor, compare: Compare) -> None:
    body = example("3.2 request, minimum")
    (nothing,) = example("3.1 response, anonymous")
    said = {**dict.fromkeys(("phone", "title")), "can_export_without_watermark": True, **body}
    assert compare(await write(visitor, body), nothing | said) == []


async def test_3_2_complete(visitor: Visitor, compare: Compare) -> None:
    answer = await visitor.request("POST", LIST, json=example("3.2 request, complete"))
    created = expect(answer, 201)
    assert compare(created, example("3.2 response")) == []
    assert len({created[moment] for moment in MOMENTS}) == 1
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes


@pytest.mark.parametrize("field", ["template", "full_name", "email"])
async def test_3_2_required_fields(visitor: Visitor, field: str) -> None:
    body = example("3.2 request, minimum")
    del body[field]
    answer = await visitor.request("POST", LIST, json=body)
    assert expect(answer, 400) == {field: ["This field is required."]}
    assert "set-cookie" not in answer.headers


async def test_3_3_retrieve(subscriber: Visitor, compare: Compare) -> None:
    written = await write_example(subscriber)
    answer = await subscriber.get(path_of(written))
    assert compare(answer, example("3.3 response")) == []
    assert answer["updated_at"] == written["updated_at"]
    assert answer["last_accessed"] >= written["last_accessed"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_3_3_and_3_5_error(visitor: Visitor, stranger: Visitor, method: str) -> None:
    theirs = await stranger.write_resume()
    await visitor.write_resume()
    for path in (path_of(theirs), f"{LIST}999999999/"):
        assert expect(await visitor.request(method, path), 404) == example("3.3 error") == example("3.5 error")
    assert await stranger.get(LIST) != []


async def test_3_4_partial(subscriber: Visitor, compare: Compare) -> None:
    written = await write_example(subscriber)
    changes = example("3.4 request, partial")
    changed = expect(await subscriber.request("PATCH", path_of(written), json=changes), 200)
    assert compare(changed, example("3.1 response, user")[0] | changes) == []
    moved = {**changes, **{moment: changed[moment] for moment in MOMENTS}}
    assert changed == written | moved


async def test_3_4_one_more(subscriber: Visitor, compare: Compare) -> None:
    written = await write_example(subscriber)
    for name in ("3.4 request, partial", "3.4 request, one more"):
        answer = await subscriber.request("PATCH", path_of(written), json=example(name))
    changed = expect(answer, 200)
    assert compare(changed, example("3.4 response")) == []
    first, second, third = (entry["id"] for entry in changed["experiences"])
    assert [first, second] == [entry["id"] for entry in written["experiences"]]
    assert third not in (first, second)
    assert changed["skills"] == written["skills"]


async def test_3_5_deleted(visitor: Visitor) -> None:
    resume = await visitor.write_resume()
    answer = await visitor.request("DELETE", path_of(resume))
    assert (answer.status_code, answer.content) == (204, b"")
    assert expect(await visitor.request("GET", path_of(resume)), 404) == example("3.5 error")
    assert await visitor.get(LIST) == []


@pytest.mark.parametrize(
    ("name", "full_name", "template"),
    [("3.6 response, clean", "John Doe", 1), ("3.6 response, watermarked", "Jane Smith", 2)],
)
async def test_3_6_export(visitor: Visitor, compare: Compare, name: str, full_name: str, template: int) -> None:
    resume = await visitor.write_resume(template=template, full_name=full_name)
    days = {datetime.now(UTC).date()}
    path = f"{path_of(resume)}export_pdf/"
    answer = expect(await visitor.request("POST", path, json=example("3.6 request")), 200)
    days.add(datetime.now(UTC).date())

    expected = example(name)
    assert compare(answer, expected) == []
    documented = expected["pdf_url"].rpartition("/")[2]
    names = {documented.replace("20251029", f"{day:%Y%m%d}") for day in days}
    assert answer["pdf_url"].rpartition("/")[2] in names


async def test_3_6_files_of_a_deleted_resume_are_deleted(visitor: Visitor) -> None:
    resume = await visitor.write_resume(template=1)
    url = expect(await visitor.request("POST", f"{path_of(resume)}export_pdf/", json={}), 200)["pdf_url"]
    fetched = await visitor.request("GET", url)
    assert fetched.content.startswith(b"%PDF-")
    assert fetched.headers["cache-control"] == "private, no-store"
    await visitor.request("DELETE", path_of(resume))

    async def is_gone() -> bool:
        return (await visitor.request("GET", url)).status_code == 404

    await eventually(is_gone)


async def test_3_7_import(visitor: Visitor, compare: Compare) -> None:
    answer = await visitor.request("POST", f"{LIST}import_linkedin/", json=example("3.7 request"))
    assert compare(expect(answer, 201), example("3.7 response")) == []


@pytest.mark.parametrize("url", ["https://example.com/in/johndoe", "johndoe", "http://127.0.0.1/in/johndoe"])
async def test_3_7_error(visitor: Visitor, url: str) -> None:
    answer = await visitor.request("POST", f"{LIST}import_linkedin/", json={"linkedin_url": url})
    assert expect(answer, 400) == example("3.7 error")
    assert await visitor.get(LIST) == []
