"""The NATS door: subscriptions as payments tells of them, seen in the profile."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from cv_common.messaging.broker import Broker, BrokerUnavailable
from cv_common.messaging.events import SubscriptionChanged
from cv_testing.nats import Nats
from cv_testing.serving import eventually
from psycopg.rows import DictRow

from services.auth.tests.cast import PASSWORD, Account

NO_SUBSCRIPTION = (False, None, None)
END = datetime(2099, 11, 29, 10, 30, tzinfo=UTC)

Publish = Callable[[SubscriptionChanged], Awaitable[None]]
Taken = Callable[[SubscriptionChanged], Awaitable[None]]


@pytest.fixture(scope="session")
async def payments(nats_server: Nats) -> AsyncIterator[Broker]:
    """Payments on the bus."""
    login = nats_server.environment("payments")
    bus = Broker(login["NATS_URL"], login["NATS_USER"], login["NATS_PASSWORD"], service="payments", publishes=True)
    await bus.start()
    yield bus
    await bus.stop()


@pytest.fixture
def publish(payments: Broker) -> Publish:
    """Tells of a subscription, as payments does."""

    async def tell(event: SubscriptionChanged) -> None:
        async def published() -> bool:
            try:
                await payments.publish(event.name, event.model_dump_json().encode(), str(event.id))
            except BrokerUnavailable:
                return False
            return True

        await eventually(published)

    return tell


@pytest.fixture
def taken(database: psycopg.AsyncConnection[DictRow]) -> Taken:
    """Waits until auth has taken an event, whatever it made of it."""

    async def wait(event: SubscriptionChanged) -> None:
        async def noted() -> bool:
            cursor = await database.execute("select from inbox where event_id = %s", (event.id,))
            return await cursor.fetchone() is not None

        await eventually(noted)

    return wait


def subscribed(user_id: int | None, revision: int, **changes: Any) -> SubscriptionChanged:
    """A yearly subscription that entitles for a month."""
    state = {
        "user_id": user_id,
        "session_id": None,
        "status": "active",
        "subscription_type": "yearly",
        "subscription_end_date": END,
        "entitled_until": datetime.now(UTC) + timedelta(days=30),
    }
    return SubscriptionChanged.model_validate({**state, "revision": revision, **changes})


class Shown:
    """What the profile shows of a subscription."""

    def __init__(self, auth: httpx.AsyncClient, account: Account) -> None:
        self._auth, self._headers = auth, account.headers

    async def now(self) -> tuple[bool, str | None, str | None]:
        profile = (await self._auth.get("/api/auth/profile/", headers=self._headers)).json()
        return profile["is_premium"], profile["subscription_type"], profile["subscription_end_date"]

    async def becomes(self, expected: tuple[bool, str | None, str | None]) -> None:
        async def same() -> bool:
            return await self.now() == expected

        await eventually(same)


@pytest.fixture
def shown(auth: httpx.AsyncClient, account: Account) -> Shown:
    return Shown(auth, account)


async def test_documented_profile_of_a_subscriber(
    auth: httpx.AsyncClient, account: Account, shown: Shown, publish: Publish
) -> None:
    await publish(subscribed(account.id, 1, subscription_type="monthly"))
    await shown.becomes((True, "monthly", "2099-11-29T10:30:00Z"))
    changed = await auth.patch("/api/auth/profile/", json={"first_name": "Jean"}, headers=account.headers)
    assert changed.json() == {
        **account.profile,
        "first_name": "Jean",
        "is_premium": True,
        "subscription_type": "monthly",
        "subscription_end_date": "2099-11-29T10:30:00Z",
    }


async def test_subscription_ends_by_the_clock_alone(account: Account, shown: Shown, publish: Publish) -> None:
    await publish(subscribed(account.id, 1))
    await shown.becomes((True, "yearly", "2099-11-29T10:30:00Z"))
    await publish(subscribed(account.id, 2, entitled_until=datetime.now(UTC) + timedelta(seconds=0.2)))
    await shown.becomes(NO_SUBSCRIPTION)
    await publish(subscribed(account.id, 3, subscription_end_date=None))
    await shown.becomes((True, "yearly", None))
    await publish(subscribed(account.id, 4, status="canceled", entitled_until=None))
    await shown.becomes(NO_SUBSCRIPTION)


async def test_late_and_repeated_events_change_nothing(
    account: Account, shown: Shown, publish: Publish, taken: Taken
) -> None:
    newest = subscribed(account.id, 20)
    late = subscribed(account.id, 19, entitled_until=None)
    for event in (newest, newest.model_copy(update={"revision": 21, "entitled_until": None}), late):
        await publish(event)
    await taken(late)
    assert await shown.now() == (True, "yearly", "2099-11-29T10:30:00Z")
    await publish(subscribed(account.id, 21, subscription_type="monthly"))
    await shown.becomes((True, "monthly", "2099-11-29T10:30:00Z"))


async def test_subscription_of_a_session_is_nobodys_yet(account: Account, shown: Shown, publish: Publish) -> None:
    await publish(subscribed(None, 1, session_id="some_session"))
    await publish(subscribed(account.id, 1))  # the session was claimed
    await shown.becomes((True, "yearly", "2099-11-29T10:30:00Z"))


async def test_erased_account_gets_no_subscription(
    auth: httpx.AsyncClient,
    account: Account,
    publish: Publish,
    taken: Taken,
    database: psycopg.AsyncConnection[DictRow],
) -> None:
    await publish(subscribed(account.id, 1))
    await auth.request("DELETE", "/api/auth/profile/", json={"password": PASSWORD}, headers=account.headers)
    late = subscribed(account.id, 2)
    await publish(late)
    await taken(late)
    cursor = await database.execute("select from subscriptions where user_id = %s", (account.id,))
    assert await cursor.fetchall() == []
    health = await auth.get("/healthz")
    assert (health.status_code, health.json()["problems"]) == (200, {})
