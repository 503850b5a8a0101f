"""Bodies that are not JSON, not an object, or of wrong types, on every endpoint with a body."""

import json
from typing import Any

import pytest

from tests.contract.document import example
from tests.integration.visitor import Visitor, expect

LIST = "/api/resumes/"
JSON = {"Content-Type": "application/json"}
WITHOUT_ACCOUNT = (
    ("POST", "/api/auth/register/"),
    ("POST", "/api/auth/login/"),
    ("POST", "/api/auth/refresh/"),
    ("POST", "/api/auth/logout/"),
    ("POST", LIST),
    ("POST", f"{LIST}import_linkedin/"),
    ("POST", "/api/payments/create-checkout/"),
)
USERS = (("PATCH", "/api/auth/profile/"), ("DELETE", "/api/auth/profile/"), ("POST", "/api/auth/change-password/"))

MALFORMED = (
    b"{",
    b"[",
    b"nul",
    b"{'title': 1}",
    b'{"title": }',
    b'{"title": "x"} y',
    b'{"title": "a\nb"}',
    b'{"title": "\xff\xfe"}',
    b'{"title": NaN}',
    b'{"title": [Infinity, -Infinity]}',
    b'{"experience_data": [{"company": "x", "order": NaN}]}',
    b'{"custom_sections": [{"title": "x", "content": "x", "more": {"deep": [1, 2,]}}]}',
    b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b'{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"custom_sections": [{"title": "x", "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
)


async def send(visitor: Visitor, method: str, path: str, body: bytes) -> Any:
    return await visitor.request(method, path, content=body, headers=JSON)


async def wrong_responses(visitor: Visitor, method: str, path: str) -> list[Any]:
    """Return the responses to malformed bodies that are not a parse error."""
    strange = []
    for body in MALFORMED:
        answer = await send(visitor, method, path, body)
        is_parse_error = answer.text.startswith('{"detail":"JSON parse error - ')
        if (answer.status_code, list(answer.json()), is_parse_error) != (400, ["detail"], True):
            strange.append((body[:40], answer.status_code, answer.text))
    return strange


@pytest.mark.parametrize(("method", "path"), WITHOUT_ACCOUNT)
async def test_malformed_json_is_refused(visitor: Visitor, method: str, path: str) -> None:
    assert await wrong_responses(visitor, method, path) == []


async def test_malformed_json_with_an_account(john: Visitor) -> None:
    for method, path in USERS:
        assert await wrong_responses(john, method, path) == []
    assert (await john.get("/api/auth/profile/"))["username"] == "john_doe"


async def test_malformed_json_for_a_resume(visitor: Visitor) -> None:
    resume = await visitor.write_resume()
    path = f"{LIST}{resume['id']}/"
    assert await wrong_responses(visitor, "PATCH", path) == []
    assert await wrong_responses(visitor, "POST", f"{path}export_pdf/") == []
    assert (await visitor.get(path))["updated_at"] == resume["updated_at"]


@pytest.mark.parametrize(
    ("body", "type_name"),
    [([], "list"), (["x"], "list"), ("x", "str"), (7, "int"), (1.5, "float"), (True, "bool")],
)
async def test_json_other_than_an_object_is_refused(visitor: Visitor, body: Any, type_name: str) -> None:
    expected = {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {type_name}."]}
    for method, path in WITHOUT_ACCOUNT:
        assert expect(await visitor.request(method, path, json=body), 400) == expected, path


async def test_json_other_than_an_object_for_a_resume(visitor: Visitor) -> None:
    resume = await visitor.write_resume()
    for method, path in (("PATCH", f"{LIST}{resume['id']}/"), ("POST", f"{LIST}{resume['id']}/export_pdf/")):
        answer = await visitor.request(method, path, json=[1])
        assert expect(answer, 400) == {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}


NO_LIST = {"non_field_errors": ['Expected a list of items but got type "str".']}
NO_OBJECT = {"non_field_errors": ["Invalid data. Expected a dictionary, but got int."]}
WRONG_TYPES: tuple[tuple[dict[str, Any], Any], ...] = (
    ({"template": True}, {"template": ["Incorrect type. Expected pk value, received bool."]}),
    ({"template": {}}, {"template": ["Incorrect type. Expected pk value, received dict."]}),
    ({"full_name": ["x"]}, {"full_name": ["Not a valid string."]}),
    ({"title": True}, {"title": ["Not a valid string."]}),
    ({"summary": {"a": {"b": []}}}, {"summary": ["Not a valid string."]}),
    ({"email": "none"}, {"email": ["Enter a valid email address."]}),
    ({"website": "none"}, {"website": ["Enter a valid URL."]}),
    ({"full_name": None}, {"full_name": ["This field may not be null."]}),
    ({"full_name": " "}, {"full_name": ["This field may not be blank."]}),
    ({"skills_data": "x"}, {"skills_data": NO_LIST}),
    ({"skills_data": [{"name": "x"}, 7]}, {"skills_data": [{}, NO_OBJECT]}),
    ({"skills_data": [{"level": "expert"}]}, {"skills_data": [{"name": ["This field is required."]}]}),
    ({"languages_data": [{"language": ["x"]}]}, {"languages_data": [{"language": ["Not a valid string."]}]}),
    ({"projects_data": [{}, {"name": "x", "url": {}}]}, {"projects_data": [{}, {"url": ["Not a valid string."]}]}),
    ({"custom_sections": [{}, 7]}, {"custom_sections": [{}, NO_OBJECT]}),
)


@pytest.mark.parametrize(("invalid", "errors"), WRONG_TYPES)
async def test_wrong_types_of_a_resume_are_refused(visitor: Visitor, invalid: dict[str, Any], errors: Any) -> None:
    resume = await visitor.write_resume()
    body = example("3.2 request, minimum") | invalid
    assert expect(await visitor.request("POST", LIST, json=body), 400) == errors
    assert expect(await visitor.request("PATCH", f"{LIST}{resume['id']}/", json=invalid), 400) == errors
    assert await visitor.get(LIST) == [resume]


async def test_wrong_types_of_an_account_are_refused(visitor: Visitor, john: Visitor) -> None:
    no_string = ["Not a valid string."]
    body = {field: ["x"] for field in example("1.1 request")}
    errors = dict.fromkeys(body, no_string) | {"email": ["Enter a valid email address."]}
    assert expect(await visitor.request("POST", "/api/auth/register/", json=body), 400) == errors
    for field in ("password", "password2"):
        del errors[field]
    assert expect(await john.request("PATCH", "/api/auth/profile/", json=body), 400) == errors
    for path, fields in (
        ("/api/auth/login/", ("email", "password")),
        ("/api/auth/refresh/", ("refresh",)),
        ("/api/auth/change-password/", ("old_password", "new_password", "new_password2")),
    ):
        answer = await john.request("POST", path, json={field: {"x": 1} for field in fields})
        assert expect(answer, 400) == dict.fromkeys(fields, no_string), path


async def test_wrong_types_of_a_checkout_are_refused(visitor: Visitor) -> None:
    path = "/api/payments/create-checkout/"
    body = {"payment_type": "monthly ", "resume_id": "x", "success_url": ["x"], "cancel_url": 7}
    assert expect(await visitor.request("POST", path, json=body), 400) == {
        "payment_type": ['"monthly " is not a valid choice.'],
        "resume_id": ["A valid integer is required."],
        "success_url": ["Enter a valid URL."],
        "cancel_url": ["Enter a valid URL."],
    }


async def test_all_errors_come_together(visitor: Visitor) -> None:
    job = {"company": "x", "position": "x", "start_date": "2020-01-01", "order": -1, "is_current": "maybe"}
    body = {"template": 999, "email": "x", "experience_data": [job, {}], "custom_sections": [{"title": True}]}
    required = ["This field is required."]
    assert expect(await visitor.request("POST", LIST, json=body), 400) == {
        "template": ['Invalid pk "999" - object does not exist.'],
        "full_name": required,
        "email": ["Enter a valid email address."],
        "experience_data": [
            {
                "is_current": ["Must be a valid boolean."],
                "order": ["Ensure this value is greater than or equal to 0."],
            },
            {"company": required, "position": required, "start_date": required},
        ],
        "custom_sections": [{"title": ["Not a valid string."]}],
    }


async def test_empty_body_is_an_empty_object(visitor: Visitor) -> None:
    required = ["This field is required."]
    answer = await visitor.request("POST", LIST)
    assert expect(answer, 400) == dict.fromkeys(("template", "full_name", "email"), required)
    answer = await visitor.request("POST", "/api/auth/login/")
    assert expect(answer, 400) == dict.fromkeys(("email", "password"), required)
    resume = await visitor.write_resume()
    changed = expect(await visitor.request("PATCH", f"{LIST}{resume['id']}/"), 200)
    assert changed["updated_at"] == resume["updated_at"]


async def test_last_of_duplicate_keys_is_used(visitor: Visitor) -> None:
    body = (
        b'{"template": 999, "template": 1, "full_name": "First", "full_name": "Last", "email": "a@example.com",'
        b' "skills_data": [], "skills_data": [{"name": "First", "name": "Last"}]}'
    )
    created = expect(await send(visitor, "POST", LIST, body), 201)
    assert (created["template"], created["full_name"]) == (1, "Last")
    assert [skill["name"] for skill in created["skills"]] == ["Last"]


async def test_body_of_ten_megabytes_is_refused(visitor: Visitor) -> None:
    heavy = json.dumps(example("3.2 request, minimum") | {"summary": "x" * 10_000_000}).encode()
    for method, path in WITHOUT_ACCOUNT:
        answer = await send(visitor, method, path, heavy)
        assert expect(answer, 413) == {"detail": "The request is too large."}, path
    assert await visitor.get(LIST) == []


async def test_text_of_a_hundred_thousand_characters_is_refused(visitor: Visitor) -> None:
    limits = {
        "full_name": 200, "email": 254, "phone": 30, "address": 300, "website": 200, "linkedin_url": 200,
        "github_url": 200, "title": 200, "summary": 10_000,
    }  # fmt: skip
    long = dict.fromkeys(limits, "x" * 100_000)
    answer = await visitor.request("POST", LIST, json={"template": 1, **long})
    refused = expect(answer, 400)
    first = {field: messages[0] for field, messages in refused.items()}
    assert first == {field: f"Ensure this field has no more than {most} characters." for field, most in limits.items()}


async def test_texts_of_maximum_length_are_accepted(visitor: Visitor) -> None:
    created = await visitor.write_resume(full_name="é" * 200, address="x" * 300, summary="é" * 10_000)
    assert (len(created["full_name"]), len(created["address"]), len(created["summary"])) == (200, 300, 10_000)


async def test_five_thousand_entries_are_refused(visitor: Visitor) -> None:
    resume = await visitor.write_resume()
    sections: dict[str, Any] = {
        "experience_data": {"company": "x", "position": "x", "start_date": "2020-01-01"},
        "education_data": {"institution": "x", "degree": "x", "start_date": "2020-01-01"},
        "skills_data": {"name": "x"}, "languages_data": {"language": "x"}, "certifications_data": {"name": "x"},
        "projects_data": {"name": "x"}, "custom_sections": {"title": "x"},
    }  # fmt: skip
    for section, entry in sections.items():
        answer = await visitor.request("PATCH", f"{LIST}{resume['id']}/", json={section: [entry] * 5000})
        assert expect(answer, 400) == {"detail": "A section may have at most 200 entries."}, section
        answer = await visitor.request("PATCH", f"{LIST}{resume['id']}/", json={section: [7] * 5000})
        assert expect(answer, 400) == {"detail": "A section may have at most 200 entries."}, section
    assert await visitor.get(LIST) == [resume]
