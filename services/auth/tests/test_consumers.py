"""Subscription events of payments, seen in the profile."""

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
WaitProcessed = Callable[[SubscriptionChanged], Awaitable[None]]


@pytest.fixture(scope="session")
async def payments(nats_server: Nats) -> AsyncIterator[Broker]:
    """The NATS connection of payments."""
    login = nats_server.environment("payments")
    broker = Broker(login["NATS_URL"], login["NATS_USER"], login["NATS_PASSWORD"], service="payments", publishes=True)
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
def publish(payments: Broker) -> Publish:
    """Publishes an event of payments."""

    async def publish_event(event: SubscriptionChanged) -> None:
        async def published() -> bool:
            try:
                await payments.publish(event.name, event.model_dump_json().encode(), str(event.id))
            except BrokerUnavailable:
                return False
            return True

        await eventually(published)

    return publish_event


@pytest.fixture
def wait_processed(database: psycopg.AsyncConnection[DictRow]) -> WaitProcessed:
    """Waits until auth has processed an event."""

    async def wait(event: SubscriptionChanged) -> None:
        async def is_processed() -> bool:
            cursor = await database.execute("select from inbox where event_id = %s", (event.id,))
            return await cursor.fetchone() is not None

        await eventually(is_processed)

    return wait


def subscribed(user_id: int | None, revision: int, **changes: Any) -> SubscriptionChanged:
    """A yearly subscription, entitled for another 30 days."""
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
    """The subscription fields of the profile."""

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


async def test_profile_shows_the_subscription(
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


async def test_subscription_ends_by_time_without_an_event(account: Account, shown: Shown, publish: Publish) -> None:
    await publish(subscribed(account.id, 1))
    await shown.becomes((True, "yearly", "2099-11-29T10:30:00Z"))
    await publish(subscribed(account.id, 2, entitled_until=datetime.now(UTC) + timedelta(seconds=0.2)))
    await shown.becomes(NO_SUBSCRIPTION)
    await publish(subscribed(account.id, 3, subscription_end_date=None))
    await shown.becomes((True, "yearly", None))
    await publish(subscribed(account.id, 4, status="canceled", entitled_until=None))
    await shown.becomes(NO_SUBSCRIPTION)


async def test_outdated_and_repeated_events_change_nothing(
    account: Account, shown: Shown, publish: Publish, wait_processed: WaitProcessed
) -> None:
    newest = subscribed(account.id, 20)
    late = subscribed(account.id, 19, entitled_until=None)
    for event in (newest, newest.model_copy(update={"revision": 21, "entitled_until": None}), late):
        await publish(event)
    await wait_processed(late)
    assert await shown.now() == (True, "yearly", "2099-11-29T10:30:00Z")
    await publish(subscribed(account.id, 21, subscription_type="monthly"))
    await shown.becomes((True, "monthly", "2099-11-29T10:30:00Z"))


async def test_subscription_of_a_session_is_ignored(account: Account, shown: Shown, publish: Publish) -> None:
    await publish(subscribed(None, 1, session_id="some_session"))
    await publish(subscribed(account.id, 1))  # the session was claimed
    await shown.becomes((True, "yearly", "2099-11-29T10:30:00Z"))


async def test_event_for_a_deleted_account_is_ignored(
    auth: httpx.AsyncClient,
    account: Account,
    publish: Publish,
    wait_processed: WaitProcessed,
    database: psycopg.AsyncConnection[DictRow],
) -> None:
    await publish(subscribed(account.id, 1))
    await auth.request("DELETE", "/api/auth/profile/", json={"password": PASSWORD}, headers=account.headers)
    late = subscribed(account.id, 2)
    await publish(late)
    await wait_processed(late)
    cursor = await database.execute("select from subscriptions where user_id = %s", (account.id,))
    assert await cursor.fetchall() == []
    health = await auth.get("/healthz")
    assert (health.status_code, health.json()["problems"]) == (200, {})
