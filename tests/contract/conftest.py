"""The persons of the document, new for each test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cv_stack.system import System

from tests.contract.comparison import differences
from tests.contract.document import example
from tests.integration.visitor import Visitor, eventually, expect

Compare = Callable[[Any, Any], list[str]]
CATALOG = Path(__file__).parents[2] / "services" / "templates" / "catalog"
TEMPLATES = range(1, 1 + len(list(CATALOG.glob("*/template.toml"))))
"""The ids of the catalog's templates."""


@pytest.fixture(scope="module")
async def system(started_system: System) -> System:
    """Return the running system. Its readiness is checked once, because no test here disturbs it."""
    async with Visitor(started_system.ports.public_url) as visitor:

        async def is_ready() -> bool:
            is_catalog_seen = len(await visitor.get("/api/templates/")) == len(TEMPLATES)
            return is_catalog_seen and await asyncio.to_thread(started_system.is_ready)

        await eventually(is_ready)
    return started_system


@pytest.fixture
def compare(system: System) -> Compare:
    """Returns the differences between a response and its example."""
    return lambda got, expected: differences(got, expected, system.ports.public_url)


@pytest.fixture
async def visitor(system: System) -> AsyncIterator[Visitor]:
    """Yield a new visitor without a session."""
    async with Visitor(system.ports.public_url) as visitor:
        yield visitor


@pytest.fixture
async def stranger(system: System) -> AsyncIterator[Visitor]:
    """Another new visitor."""
    async with Visitor(system.ports.public_url) as visitor:
        yield visitor


@pytest.fixture
async def john(system: System) -> AsyncIterator[Visitor]:
    """John Doe of the document, registered and logged in; the account is deleted after the test."""
    async with Visitor(system.ports.public_url) as visitor:
        expect(await visitor.request("POST", "/api/auth/register/", json=example("1.1 request")), 201)
        login = expect(await visitor.request("POST", "/api/auth/login/", json=example("1.2 request")), 200)
        visitor.token = login["access"]
        yield visitor
        for password in ("SecurePass123!", "NewSecurePass456!"):
            erased = await visitor.request("DELETE", "/api/auth/profile/", json={"password": password})
            if erased.status_code == 204:
                break


@pytest.fixture
async def subscriber(john: Visitor) -> Visitor:
    """John Doe with the document's monthly subscription."""
    await subscribe(john)
    return john


async def subscribe(visitor: Visitor) -> None:
    """Buy the monthly subscription and wait until the visitor's resumes show it."""
    resume = await visitor.write_resume()
    await visitor.pay(await visitor.checkout(payment_type="monthly"))

    async def is_entitled() -> bool:
        return bool((await visitor.get(f"/api/resumes/{resume['id']}/"))["payment_type"] == "subscription")

    await eventually(is_entitled)
    assert (await visitor.request("DELETE", f"/api/resumes/{resume['id']}/")).status_code == 204
