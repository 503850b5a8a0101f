"""Registration: the contract's example, and invalid requests."""

import asyncio
from typing import Any

import httpx
import pytest

from services.auth.tests.cast import full_width

PATH = "/api/auth/register/"
TOO_LONG = "Ensure this field has no more than {} characters."
BAD_USERNAME = "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."


async def test_registration_answers_the_documented_example(
    auth: httpx.AsyncClient, stranger: dict[str, str], person: dict[str, Any]
) -> None:
    answer = await auth.post(PATH, json=person, headers=stranger)
    assert answer.status_code == 201
    body = answer.json()
    user = body.pop("user")
    assert body == {"message": "User registered successfully"}
    assert isinstance(user.pop("id"), int)
    created_at = user.pop("created_at")
    assert len(created_at) == len("2025-10-29T10:30:00Z")
    assert created_at.endswith("Z")
    assert user == {
        "username": person["username"],
        "email": person["email"],
        "first_name": "John",
        "last_name": "Doe",
        "phone": "+33612345678",
        "is_premium": False,
        "subscription_type": None,
        "subscription_end_date": None,
    }
    assert "X-Session-End" not in answer.headers


async def test_names_and_phone_are_optional_and_read_only_fields_are_ignored(
    auth: httpx.AsyncClient, stranger: dict[str, str], person: dict[str, Any]
) -> None:
    for optional in ("first_name", "last_name", "phone"):
        del person[optional]
    cheat = {"id": 1, "is_premium": True, "subscription_type": "yearly", "created_at": "2000-01-01T00:00:00Z"}
    answer = await auth.post(PATH, json={**person, **cheat}, headers=stranger)
    user = answer.json()["user"]
    assert answer.status_code == 201
    assert (user["first_name"], user["last_name"], user["phone"]) == ("", "", None)
    assert (user["is_premium"], user["subscription_type"]) == (False, None)
    assert user["id"] != 1 or user["created_at"] != cheat["created_at"]


async def test_null_names_become_empty_strings(
    auth: httpx.AsyncClient, stranger: dict[str, str], person: dict[str, Any]
) -> None:
    nameless = {**person, "first_name": None, "last_name": None, "phone": None}
    answer = await auth.post(PATH, json=nameless, headers=stranger)
    user = answer.json()["user"]
    assert (answer.status_code, user["first_name"], user["last_name"], user["phone"]) == (201, "", "", None)


async def test_all_errors_are_reported_together(
    auth: httpx.AsyncClient, stranger: dict[str, str], person: dict[str, Any]
) -> None:
    assert (await auth.post(PATH, json=person, headers=stranger)).status_code == 201
    answer = await auth.post(PATH, json={**person, "password2": "SomethingElse1!"}, headers=stranger)
    assert answer.status_code == 400
    assert answer.json() == {
        "username": ["This username is already taken."],
        "email": ["This email is already registered."],
        "password2": ["Passwords must match."],
    }


async def test_taken_names_are_compared_without_case(
    auth: httpx.AsyncClient, stranger: dict[str, str], person: dict[str, Any]
) -> None:
    assert (await auth.post(PATH, json=person, headers=stranger)).status_code == 201
    shouted = {**person, "username": person["username"].upper(), "email": person["email"].upper()}
    assert (await auth.post(PATH, json=shouted, headers=stranger)).json() == {
        "username": ["This username is already taken."],
        "email": ["This email is already registered."],
    }


async def test_compatibility_forms_of_a_username_are_normalized(
    auth: httpx.AsyncClient, stranger: dict[str, str], person: dict[str, Any]
) -> None:
    disguised = {**person, "username": full_width(person["username"])}
    answer = await auth.post(PATH, json=disguised, headers=stranger)
    assert (answer.status_code, answer.json()["user"]["username"]) == (201, person["username"])
    for username in (disguised["username"], person["username"]):
        other = {**person, "username": username, "email": f"other_{person['email']}"}
        refused = await auth.post(PATH, json=other, headers=stranger)
        assert (refused.status_code, refused.json()) == (400, {"username": ["This username is already taken."]})


@pytest.mark.parametrize("field", ["username", "email"])
async def test_concurrent_registrations_of_one_name_accept_one(
    auth: httpx.AsyncClient, stranger: dict[str, str], person: dict[str, Any], field: str
) -> None:
    other = {"username": "", "email": ""} | {key: f"other_{person[key]}" for key in ("username", "email")}
    both = [person, {**person, **other, field: person[field]}]
    answers = await asyncio.gather(*(auth.post(PATH, json=body, headers=stranger) for body in both))
    assert sorted(answer.status_code for answer in answers) == [201, 400]
    refused = next(answer for answer in answers if answer.status_code == 400)
    texts = {"username": "This username is already taken.", "email": "This email is already registered."}
    assert refused.json() == {field: [texts[field]]}


async def test_empty_body_reports_every_required_field(auth: httpx.AsyncClient, stranger: dict[str, str]) -> None:
    required = {name: ["This field is required."] for name in ("username", "email", "password", "password2")}
    for content in (b"", b"{}"):
        answer = await auth.post(PATH, content=content, headers={**stranger, "Content-Type": "application/json"})
        assert (answer.status_code, answer.json()) == (400, required)


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"username": " "}, {"username": ["This field may not be blank."]}),
        ({"username": None}, {"username": ["This field may not be null."]}),
        ({"username": True}, {"username": ["Not a valid string."]}),
        ({"username": "john doe"}, {"username": [BAD_USERNAME]}),
        ({"username": "<script>"}, {"username": [BAD_USERNAME]}),
        ({"username": "a" * 151}, {"username": [TOO_LONG.format(150)]}),
        ({"username": "a\x00b"}, {"username": [BAD_USERNAME, "Null characters are not allowed."]}),
        ({"email": "nobody"}, {"email": ["Enter a valid email address."]}),
        ({"first_name": "a" * 151, "last_name": []}, {"first_name": [TOO_LONG.format(150)],
                                                      "last_name": ["Not a valid string."]}),
        ({"phone": "1" * 21}, {"phone": [TOO_LONG.format(20)]}),
        ({"password": "a" * 129, "password2": "b"}, {"password": [TOO_LONG.format(128)]}),
        ({"password": "", "password2": None}, {"password": ["This field may not be blank."],
                                               "password2": ["This field may not be null."]}),
    ],
)  # fmt: skip
async def test_invalid_fields_are_rejected(
    auth: httpx.AsyncClient,
    stranger: dict[str, str],
    person: dict[str, Any],
    changes: dict[str, Any],
    errors: dict[str, Any],
) -> None:
    answer = await auth.post(PATH, json={**person, **changes}, headers=stranger)
    assert (answer.status_code, answer.json()) == (400, errors)


@pytest.mark.parametrize(
    ("password", "problems"),
    [
        ("Ab1!xyz", ["This password is too short. It must contain at least 8 characters."]),
        ("Password123", ["This password is too common."]),
        ("90178564123", ["This password is entirely numeric."]),
        ("12345", [
            "This password is too short. It must contain at least 8 characters.",
            "This password is too common.",
            "This password is entirely numeric.",
        ]),
        ("Jonathan-", ["The password is too similar to the first name."]),
    ],
)  # fmt: skip
async def test_weak_passwords_are_rejected(
    auth: httpx.AsyncClient, stranger: dict[str, str], person: dict[str, Any], password: str, problems: list[str]
) -> None:
    weak = {**person, "first_name": "Jonathan", "password": password, "password2": password}
    answer = await auth.post(PATH, json=weak, headers=stranger)
    assert (answer.status_code, answer.json()) == (400, {"password": problems})


async def test_forms_are_accepted_like_json(
    auth: httpx.AsyncClient, stranger: dict[str, str], person: dict[str, Any]
) -> None:
    assert (await auth.post(PATH, data=person, headers=stranger)).status_code == 201


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"username": NaN}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"hello", "text/plain", 415),
    ],
)
async def test_unreadable_bodies_are_rejected(
    auth: httpx.AsyncClient, stranger: dict[str, str], body: bytes, content_type: str, status: int
) -> None:
    answer = await auth.post(PATH, content=body, headers={**stranger, "Content-Type": content_type})
    assert (answer.status_code, list(answer.json())) == (status, ["detail"])


async def test_a_list_is_rejected_as_a_body(auth: httpx.AsyncClient, stranger: dict[str, str]) -> None:
    answer = await auth.post(PATH, json=[], headers=stranger)
    expected = {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}
    assert (answer.status_code, answer.json()) == (400, expected)


async def test_get_is_not_allowed(auth: httpx.AsyncClient, stranger: dict[str, str]) -> None:
    answer = await auth.get(PATH, headers=stranger)
    assert (answer.status_code, answer.json()) == (405, {"detail": 'Method "GET" not allowed.'})
    assert "POST" in answer.headers["Allow"]
