"""Methods, paths, content types and forms."""

import json
from typing import Any

import pytest

from tests.contract.document import example
from tests.integration.visitor import Visitor, expect

LIST = "/api/resumes/"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE")
ALLOWED = {
    "/api/auth/register/": {"POST"},
    "/api/auth/login/": {"POST"},
    "/api/auth/refresh/": {"POST"},
    "/api/auth/logout/": {"POST"},
    "/api/auth/profile/": {"GET", "PATCH", "DELETE"},
    "/api/auth/change-password/": {"POST"},
    "/api/templates/": {"GET"},
    "/api/templates/1/": {"GET"},
    "/api/templates/free/": {"GET"},
    "/api/templates/premium/": {"GET"},
    LIST: {"GET", "POST"},
    f"{LIST}1/": {"GET", "PATCH", "DELETE"},
    f"{LIST}1/export_pdf/": {"POST"},
    f"{LIST}import_linkedin/": {"POST"},
    "/api/payments/create-checkout/": {"POST"},
    "/api/payments/webhook/": {"POST"},
}


async def test_methods_without_a_route_are_refused(john: Visitor) -> None:
    strange = []
    for path, allowed in ALLOWED.items():
        for method in METHODS:
            if method in allowed:
                continue
            answer = await john.request(method, path)
            told = {each.strip() for each in answer.headers.get("allow", "").split(",")} - {"HEAD", "OPTIONS"}
            expected = (405, {"detail": f'Method "{method}" not allowed.'}, allowed)
            if (answer.status_code, answer.json(), told) != expected:
                strange.append((method, path, answer.status_code, answer.text, told))
    assert strange == []


@pytest.mark.parametrize("path", ["/api/auth/profile/", "/api/auth/change-password/"])
async def test_authentication_is_checked_before_the_method(visitor: Visitor, path: str) -> None:
    for method in METHODS:
        answer = await visitor.request(method, path, json={})
        assert expect(answer, 401) == {"detail": "Authentication credentials were not provided."}
        assert answer.headers["www-authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize(
    "path",
    ["/api/", "/api/nothing/", "/internal/resumes/1/", "/api/resumes/%2e%2e/auth/profile/", "/api/resumes/1/nothing/"],
)
async def test_unknown_paths_are_not_found(visitor: Visitor, path: str) -> None:
    for method in ("GET", "TRACE"):
        assert expect(await visitor.request(method, path), 404) == {"detail": "Not found."}


async def test_trailing_slash_is_optional(visitor: Visitor) -> None:
    created = expect(await visitor.request("POST", LIST.rstrip("/"), json=example("3.2 request, minimum")), 201)
    assert expect(await visitor.request("GET", f"{LIST}{created['id']}"), 200)["id"] == created["id"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/octet-stream", "json"])
async def test_other_content_types_are_refused(visitor: Visitor, john: Visitor, media_type: str) -> None:
    resume = await visitor.write_resume()
    content = json.dumps(example("3.2 request, minimum"))
    refusal = {"detail": f'Unsupported media type "{media_type}" in request.'}
    for who, method, path in (
        (visitor, "POST", LIST),
        (visitor, "PATCH", f"{LIST}{resume['id']}/"),
        (visitor, "POST", f"{LIST}{resume['id']}/export_pdf/"),
        (visitor, "POST", f"{LIST}import_linkedin/"),
        (visitor, "POST", "/api/auth/register/"),
        (visitor, "POST", "/api/auth/login/"),
        (visitor, "POST", "/api/payments/create-checkout/"),
        (john, "PATCH", "/api/auth/profile/"),
    ):
        answer = await who.request(method, path, content=content, headers={"Content-Type": media_type})
        assert expect(answer, 415) == refusal, path
    assert await visitor.get(LIST) == [resume]


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
async def test_json_content_types_are_accepted(visitor: Visitor, media_type: str) -> None:
    content = json.dumps(example("3.2 request, minimum"))
    expect(await visitor.request("POST", LIST, content=content, headers={"Content-Type": media_type}), 201)


@pytest.mark.parametrize("kind", ["urlencoded", "multipart"])
async def test_forms_work_like_json(visitor: Visitor, john: Visitor, kind: str) -> None:
    def form(body: dict[str, Any]) -> dict[str, Any]:
        plain = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
        parts = {name: (None, text) for name, text in plain.items()}
        return {"data": plain} if kind == "urlencoded" else {"files": parts}

    by_json = await visitor.write_resume(**example("3.2 request, complete"))
    by_form = expect(await visitor.request("POST", LIST, **form(example("3.2 request, complete"))), 201)
    assert without_generated(by_form) == without_generated(by_json)

    login = expect(await visitor.request("POST", "/api/auth/login/", **form(example("1.2 request"))), 200)
    assert set(login) == {"access", "refresh"}
    changed = expect(await john.request("PATCH", "/api/auth/profile/", **form(example("1.5 request"))), 200)
    assert (changed["first_name"], changed["phone"]) == ("Jean", "+33687654321")


def without_generated(value: Any) -> Any:
    """Return a resume without its ids and timestamps."""
    if isinstance(value, list):
        return [without_generated(each) for each in value]
    if isinstance(value, dict):
        generated = {"id", "created_at", "updated_at", "last_accessed"}
        return {name: without_generated(each) for name, each in value.items() if name not in generated}
    return value


@pytest.mark.parametrize(
    "content",
    [b"", b"--x", b"--x\r\n\r\n", b'--x\r\nContent-Disposition: form-data; name="title"\r\n', b"\x00" * 1000],
)
async def test_malformed_multipart_bodies_are_refused(visitor: Visitor, content: bytes) -> None:
    resume = await visitor.write_resume()
    for media_type in ("multipart/form-data; boundary=x", "multipart/form-data"):
        for method, path in (("POST", LIST), ("PATCH", f"{LIST}{resume['id']}/"), ("POST", f"{LIST}import_linkedin/")):
            answer = await visitor.request(method, path, content=content, headers={"Content-Type": media_type})
            assert answer.status_code in (200, 400) if method == "PATCH" else answer.status_code == 400, answer.text
    assert [each["title"] for each in await visitor.get(LIST)] == [None]


async def test_read_only_fields_of_a_resume_are_ignored(visitor: Visitor, john: Visitor) -> None:
    grabbed = {
        "id": 1, "pk": 1, "user": 1, "user_id": 1, "owner": "user:1", "session_id": "x" * 32, "is_paid": True,
        "is_premium": True, "payment_type": "single", "can_export_without_watermark": True, "bought": True,
        "entitled_until": "2099-01-01T00:00:00Z", "template_id": 1, "template_is_premium": False, "revision": 0,
        "created_at": "2000-01-01T00:00:00Z", "updated_at": "2000-01-01T00:00:00Z",
        "last_accessed": "2000-01-01T00:00:00Z", "experiences": [{"company": "x"}], "skills": "x", "__proto__": {},
    }  # fmt: skip
    for who in (visitor, john):
        plain = await who.write_resume()
        created = await who.write_resume(**grabbed)
        for same in ("user", "session_id", "is_paid", "payment_type", "can_export_without_watermark", "template"):
            assert created[same] == plain[same], same
        assert created["id"] == max(each["id"] for each in await who.get(LIST))
        assert created["created_at"] >= plain["created_at"]
        changed = expect(await who.request("PATCH", f"{LIST}{created['id']}/", json=grabbed), 200)
        assert changed == {**created, "last_accessed": changed["last_accessed"]}
        assert changed["last_accessed"] >= created["last_accessed"]
        grabbed["has_watermark"] = False
        export = await who.request("POST", f"{LIST}{created['id']}/export_pdf/", json=grabbed)
        assert expect(export, 200)["has_watermark"] is True


async def test_read_only_fields_of_an_account_are_ignored(visitor: Visitor, john: Visitor) -> None:
    before = await john.get("/api/auth/profile/")
    grabbed = {
        "id": before["id"] + 1000, "is_premium": True, "subscription_type": "yearly", "is_staff": True,
        "is_superuser": True, "subscription_end_date": "2099-01-01T00:00:00Z", "created_at": "2000-01-01T00:00:00Z",
        "entitled_until": "2099-01-01T00:00:00Z", "password_hash": "x",
    }  # fmt: skip
    password = {"password": "HijackedPass1!"}
    changed = expect(await john.request("PATCH", "/api/auth/profile/", json={**grabbed, **password}), 200)
    assert changed == before
    expect(await visitor.request("POST", "/api/auth/login/", json=example("1.2 request")), 200)

    body = {**example("1.1 request"), **grabbed, "username": "mallory", "email": "mallory@example.com"}
    made = expect(await visitor.request("POST", "/api/auth/register/", json=body), 201)["user"]
    await visitor.login(made["email"])
    assert await visitor.get("/api/auth/profile/") == made
    assert (made["is_premium"], made["subscription_type"], made["subscription_end_date"]) == (False, None, None)
    assert made["id"] != grabbed["id"]
    assert made["created_at"] >= before["created_at"]
    await visitor.request("DELETE", "/api/auth/profile/", json={"password": body["password"]})
