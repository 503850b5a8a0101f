"""Section 1 of the document, example by example."""

from typing import Any

import pytest

from tests.contract.conftest import Compare
from tests.contract.document import example
from tests.integration.visitor import Visitor, eventually, expect

LOGIN_FAILED = {"detail": "No active account found with the given credentials"}


async def post(visitor: Visitor, name: str, body: Any) -> Any:
    return await visitor.request("POST", f"/api/auth/{name}/", json=body)


async def erase(visitor: Visitor) -> None:
    login = expect(await post(visitor, "login", example("1.2 request")), 200)
    visitor.token = login["access"]
    body = {"password": example("1.2 request")["password"]}
    assert (await visitor.request("DELETE", "/api/auth/profile/", json=body)).status_code == 204


async def test_1_1_register(visitor: Visitor, compare: Compare) -> None:
    answer = expect(await post(visitor, "register", example("1.1 request")), 201)
    await erase(visitor)
    assert compare(answer, example("1.1 response")) == []


async def test_1_1_errors(john: Visitor, visitor: Visitor) -> None:
    body = example("1.1 request") | {"password2": "SecurePass124!"}
    assert expect(await post(visitor, "register", body), 400) == example("1.1 errors")


async def test_1_2_login(john: Visitor, visitor: Visitor, compare: Compare) -> None:
    answer = expect(await post(visitor, "login", example("1.2 request")), 200)
    assert compare(answer, example("1.2 response")) == []
    assert answer["access"] != answer["refresh"]


@pytest.mark.parametrize(
    "changes", [{"password": "SecurePass124!"}, {"email": "jane.doe@example.com"}, {"email": "john_doe"}]
)
async def test_1_2_failed_login_does_not_reveal_accounts(
    john: Visitor, visitor: Visitor, changes: dict[str, str]
) -> None:
    answer = await post(visitor, "login", example("1.2 request") | changes)
    assert expect(answer, 401) == LOGIN_FAILED
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'


async def test_1_2_email_of_a_login_is_case_insensitive(john: Visitor, visitor: Visitor) -> None:
    expect(await post(visitor, "login", example("1.2 request") | {"email": "John.DOE@Example.com"}), 200)


async def test_1_3_refresh(john: Visitor, visitor: Visitor, compare: Compare) -> None:
    pair = expect(await post(visitor, "login", example("1.2 request")), 200)
    answer = expect(await post(visitor, "refresh", example("1.3 request", refresh=pair["refresh"])), 200)
    assert compare(answer, example("1.3 response")) == []
    visitor.token = answer["access"]
    assert (await visitor.get("/api/auth/profile/"))["username"] == "john_doe"


async def test_1_4_profile(subscriber: Visitor, compare: Compare) -> None:
    await eventually_premium(subscriber)
    assert compare(await subscriber.get("/api/auth/profile/"), example("1.4 response")) == []


async def test_1_5_change_of_profile(subscriber: Visitor, compare: Compare) -> None:
    await eventually_premium(subscriber)
    changed = expect(await subscriber.request("PATCH", "/api/auth/profile/", json=example("1.5 request")), 200)
    assert compare(changed, example("1.5 response")) == []
    assert await subscriber.get("/api/auth/profile/") == changed


async def eventually_premium(visitor: Visitor) -> None:
    async def is_premium() -> bool:
        return bool((await visitor.get("/api/auth/profile/"))["is_premium"])

    await eventually(is_premium)


async def test_1_6_change_of_password(john: Visitor, visitor: Visitor) -> None:
    pair = expect(await post(visitor, "login", example("1.2 request")), 200)
    assert expect(await post(john, "change-password", example("1.6 request")), 200) == example("1.6 response")

    ended = expect(await post(visitor, "refresh", {"refresh": pair["refresh"]}), 401)
    assert ended == {"detail": "Token is invalid", "code": "token_not_valid"}
    assert expect(await post(visitor, "login", example("1.2 request")), 401) == LOGIN_FAILED
    new = {"email": "john.doe@example.com", "password": example("1.6 request")["new_password"]}
    expect(await post(visitor, "login", new), 200)


async def test_1_6_errors(john: Visitor) -> None:
    body = example("1.6 request") | {"old_password": "SecurePass124!", "new_password2": "NewSecurePass457!"}
    assert expect(await post(john, "change-password", body), 400) == example("1.6 errors")
