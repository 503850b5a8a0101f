"""The real auth service, with fakes of the services that it calls."""

import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from cv_auth.main import app
from cv_common.messaging.broker import Broker
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import EVENTS, Event
from cv_testing.identity import IdentityKeys
from cv_testing.nats import Nats
from cv_testing.plugin import StartNats
from cv_testing.serving import serving
from psycopg.rows import DictRow, dict_row

from services.auth.tests.cast import KEYS, PASSWORD, Account, FakeServices

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
async def fake_services_server(identity_keys: IdentityKeys) -> AsyncIterator[tuple[FakeServices, str]]:
    them = FakeServices(json.loads(identity_keys.environment("resumes")["IDENTITY_PUBLIC_KEYS"]))
    async with serving(them.app, {}) as client:
        yield them, str(client.base_url)


@pytest.fixture
def services(fake_services_server: tuple[FakeServices, str]) -> Iterator[FakeServices]:
    """The fakes of resumes and payments, without failures again after the test."""
    them = fake_services_server[0]
    yield them
    them.statuses.clear()
    them.silent.clear()


@pytest.fixture(scope="session")
def nats_server(start_nats: StartNats) -> Nats:
    """A NATS server for these tests only."""
    return start_nats()


@pytest.fixture(scope="session")
def environment(
    service_database: Callable[[str], str],
    nats_server: Nats,
    identity_keys: IdentityKeys,
    fake_services_server: tuple[FakeServices, str],
) -> dict[str, str]:
    """The settings of the service under test."""
    return {
        **identity_keys.environment("auth"),
        **nats_server.environment("auth"),
        "DATABASE_URL": service_database("auth"),
        "RESUMES_URL": f"{fake_services_server[1]}/resumes",
        "PAYMENTS_URL": f"{fake_services_server[1]}/payments",
        "ACCESS_TOKEN_KEYS": json.dumps(KEYS),
    }


@pytest.fixture(scope="session")
async def auth(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(app, environment) as client:
        yield client


@pytest.fixture
async def database(environment: dict[str, str]) -> AsyncIterator[psycopg.AsyncConnection[DictRow]]:
    """The service's database, for states that no request shows or creates."""
    async with await psycopg.AsyncConnection[DictRow].connect(
        environment["DATABASE_URL"], autocommit=True, row_factory=dict_row
    ) as connection:
        yield connection


@pytest.fixture(scope="session")
async def published_events(nats_server: Nats, auth: httpx.AsyncClient) -> AsyncIterator[list[Event]]:
    """The events of auth, as resumes receives them."""
    login = nats_server.environment("resumes")
    broker = Broker(login["NATS_URL"], login["NATS_USER"], login["NATS_PASSWORD"], service="resumes")
    events: list[Event] = []

    async def receive(event: Event) -> None:
        events.append(event)

    consumer = Consumer(broker, {event: receive for event in EVENTS if event.stream() == "AUTH"})
    await broker.start()
    await consumer.start()
    yield events
    await consumer.stop()
    await broker.stop()


@pytest.fixture
def stranger(identity_keys: IdentityKeys) -> dict[str, str]:
    """The headers of the gateway for a visitor without a session."""
    return identity_keys.stranger("auth")


@pytest.fixture
def session_id() -> str:
    """The id of an anonymous session of this test only."""
    return f"session_{next(_numbers)}"


@pytest.fixture
def session(identity_keys: IdentityKeys, session_id: str) -> dict[str, str]:
    """The headers of the gateway for a visitor with that session."""
    return identity_keys.session("auth", session_id)


@pytest.fixture
def person() -> dict[str, Any]:
    """A valid registration body, different in each test."""
    number = next(_numbers)
    return {
        "username": f"john_doe{number}",
        "email": f"John.Doe{number}@example.com",
        "password": PASSWORD,
        "password2": PASSWORD,
        "first_name": "John",
        "last_name": "Doe",
        "phone": "+33612345678",
    }


@pytest.fixture
async def account(
    auth: httpx.AsyncClient, stranger: dict[str, str], person: dict[str, Any], identity_keys: IdentityKeys
) -> Account:
    """A registered account."""
    answer = await auth.post("/api/auth/register/", json=person, headers=stranger)
    assert answer.status_code == 201, answer.text
    profile = answer.json()["user"]
    return Account(profile, identity_keys.user("auth", profile["id"]))


@pytest.fixture
async def tokens(auth: httpx.AsyncClient, stranger: dict[str, str], account: Account) -> dict[str, str]:
    """The tokens of a login to the account."""
    answer = await auth.post("/api/auth/login/", json={"email": account.email, "password": PASSWORD}, headers=stranger)
    assert answer.status_code == 200, answer.text
    pair: dict[str, str] = answer.json()
    return pair
