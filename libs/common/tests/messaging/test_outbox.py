"""The outbox publishes committed events once and in order, despite crashes and outages."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cv_common.kernel import database as database_module
from cv_common.kernel.database import Database
from cv_common.kernel.logs import request_id
from cv_common.messaging import outbox
from cv_common.messaging.broker import Broker
from cv_common.messaging.events import ResumePaymentChanged, SubscriptionChanged
from cv_common.messaging.outbox import Relay
from cv_testing.nats import Nats
from cv_testing.postgres import Postgres
from cv_testing.serving import eventually
from cv_testing.tcp_proxy import proxied
from nats.js.errors import NotFoundError

from libs.common.tests.conftest import NatsServer, components_running

GOLDEN = Path(__file__).with_name("golden")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    async with components_running(opened):
        yield opened


class Publisher:
    """Records events in the outbox of payments."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.recorded: list[str] = []

    async def record(self, count: int = 1) -> None:
        """Record `count` events, each in its own transaction."""
        for _ in range(count):
            event = ResumePaymentChanged(resume_id=len(self.recorded), paid=True, revision=1)
            async with self._database.transaction() as tx:
                await outbox.record(tx, event)
            self.recorded.append(str(event.id))


@pytest.fixture
def publisher(database: Database) -> Publisher:
    return Publisher(database)


async def published(nats: NatsServer) -> list[str]:
    """Return the ids of the events in the stream, in order."""
    return [json.loads(message.data or b"")["id"] for message in await nats.messages("PAYMENTS")]


async def expect_published(nats: NatsServer, publisher: Publisher, timeout: float = 20) -> None:
    """Wait until the stream has every recorded event once and in order."""

    async def complete() -> bool:
        async with nats.administrator() as jetstream:
            streams = {info.config.name for info in await jetstream.streams_info()}
        return "PAYMENTS" in streams and len(await nats.messages("PAYMENTS")) >= len(publisher.recorded)

    await eventually(complete, timeout)
    assert await published(nats) == publisher.recorded


async def test_events_are_published_in_order(nats: NatsServer, database_url: str, publisher: Publisher) -> None:
    broker = nats.broker("payments", publishes=True)
    await publisher.record(3)
    async with components_running(broker, Relay(database_url, broker)):
        await publisher.record(250)
        await expect_published(nats, publisher)


async def test_a_message_carries_the_event_and_the_request_id(
    nats: NatsServer, database: Database, database_url: str
) -> None:
    golden = (GOLDEN / "payments.subscription_changed.v1.json").read_bytes()
    event = SubscriptionChanged.model_validate_json(golden)
    broker = nats.broker("payments", publishes=True)
    async with components_running(broker, Relay(database_url, broker)):
        token = request_id.set("request-1234")
        async with database.transaction() as tx:
            await outbox.record(tx, event)
        request_id.reset(token)

        async def arrived() -> bool:
            return len(await nats.messages("PAYMENTS")) == 1

        await eventually(arrived, despite=(NotFoundError,))  # the stream is made meanwhile
    (message,) = await nats.messages("PAYMENTS")
    assert message.subject == "payments.subscription_changed.v1"
    assert json.loads(message.data or b"") == json.loads(golden)
    assert message.headers == {"Nats-Msg-Id": str(event.id), "Request-Id": "request-1234"}


async def test_a_silent_database_connection_of_the_relay_is_replaced(
    nats: NatsServer, database_url: str, postgres: Postgres, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cv_common.kernel.database.ANSWER_SECONDS", 1)
    broker = nats.broker("payments", publishes=True)
    with proxied(postgres.port) as proxy:
        remote_url = database_url.replace(f":{postgres.port}/", f":{proxy.port}/")
        async with components_running(broker, Relay(remote_url, broker)):
            await publisher.record()
            await expect_published(nats, publisher)
            assert await asyncio.to_thread(proxy.freeze) == 1
            await publisher.record()
            await expect_published(nats, publisher)


async def test_rolled_back_events_are_not_published(
    nats: NatsServer, database: Database, publisher: Publisher, database_url: str
) -> None:
    async def fail() -> None:
        async with database.transaction() as tx:
            await outbox.record(tx, ResumePaymentChanged(resume_id=99, paid=True, revision=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await publisher.record()
    broker = nats.broker("payments", publishes=True)
    async with components_running(broker, Relay(database_url, broker)):
        await expect_published(nats, publisher)


async def test_two_relays_publish_each_event_once(nats: NatsServer, database_url: str, publisher: Publisher) -> None:
    one, other = nats.broker("payments", publishes=True), nats.broker("payments", publishes=True)
    async with components_running(one, other, Relay(database_url, one), Relay(database_url, other)):
        await publisher.record(200)
        await expect_published(nats, publisher)


async def test_events_wait_for_an_unavailable_broker(nats: NatsServer, database_url: str, publisher: Publisher) -> None:
    await nats.stop()
    broker = nats.broker("payments", publishes=True)
    async with components_running(broker, Relay(database_url, broker)):
        await publisher.record(5)
        assert await broker.check() is not None
        await nats.start()
        await expect_published(nats, publisher)
        assert await broker.check() is None


@pytest.mark.operations
async def test_repeated_broker_crashes_lose_and_duplicate_no_event(
    nats: NatsServer, database_url: str, publisher: Publisher
) -> None:
    broker = nats.broker("payments", publishes=True)
    async with components_running(broker, Relay(database_url, broker)):
        for _ in range(3):
            recording = asyncio.create_task(publisher.record(60))
            await nats.crash()
            await recording
        await expect_published(nats, publisher, timeout=40)


async def test_a_broker_that_lost_its_disk_gets_its_streams_again(
    nats: NatsServer, database_url: str, publisher: Publisher
) -> None:
    broker = nats.broker("payments", publishes=True)
    async with components_running(broker, Relay(database_url, broker)):
        await publisher.record(5)
        await expect_published(nats, publisher)
        await nats.lose_data()
        await publisher.record(2)
        lost, publisher.recorded = publisher.recorded[:5], publisher.recorded[5:]
        await expect_published(nats, publisher)
        assert await broker.check() is None

        with psycopg.connect(database_url, autocommit=True) as operator:  # as the outbox's docstring tells operators
            operator.execute("update outbox set published_at = null where occurred_at > now() - interval '1 hour'")

        async def rebuilt() -> bool:
            return set(lost) <= set(await published(nats))

        await eventually(rebuilt)


async def test_relaying_continues_after_a_database_outage(
    nats: NatsServer, database_url: str, publisher: Publisher, postgres: Postgres
) -> None:
    broker = nats.broker("payments", publishes=True)
    async with components_running(broker, Relay(database_url, broker)):
        await publisher.record(20)
        with postgres.outage(database_url):
            pass
        await eventually(lambda: try_recording(publisher))
        await publisher.record(20)
        await expect_published(nats, publisher)


async def try_recording(publisher: Publisher) -> bool:
    try:
        await publisher.record()
    except psycopg.OperationalError:
        return False
    return True


class SlowBroker(Broker):
    """A broker with slow disks."""

    async def publish(self, *message: Any) -> None:
        await asyncio.sleep(0.05)
        await super().publish(*message)


async def test_a_slow_broker_receives_each_event_once(
    nats: NatsServer, database_url: str, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends an idle transaction. Its timeout and the batch time are a tenth of the usual ones here."""
    options = database_module._SESSION_OPTIONS.replace("session_timeout=10000", "session_timeout=1000")
    monkeypatch.setattr(database_module, "_SESSION_OPTIONS", options)
    monkeypatch.setattr(outbox, "_MAX_BATCH_SECONDS", outbox._MAX_BATCH_SECONDS / 10)
    await publisher.record(60)
    login = nats.server.environment("payments")
    broker = SlowBroker(
        login["NATS_URL"], login["NATS_USER"], login["NATS_PASSWORD"], service="payments", publishes=True
    )
    async with components_running(broker, Relay(database_url, broker)):
        await expect_published(nats, publisher)
        await eventually(partial(more_published, database_url, 59))


RELAY = """
import asyncio, os
from cv_common.messaging.broker import Broker
from cv_common.messaging.outbox import Relay

async def main():
    broker = Broker(os.environ["NATS_URL"], "payments", os.environ["NATS_PASSWORD"], service="payments", publishes=True)
    await broker.start()
    await Relay(os.environ["DATABASE_URL"], broker).start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


def start_relay(server: Nats, database_url: str) -> subprocess.Popen[bytes]:
    """Start the relay of another replica in a subprocess."""
    environment = {**os.environ, **server.environment("payments"), "DATABASE_URL": database_url}
    return subprocess.Popen([sys.executable, "-c", RELAY], env=environment)


@pytest.mark.operations
async def test_killing_a_relay_loses_and_duplicates_no_event(
    nats: NatsServer, database_url: str, publisher: Publisher
) -> None:
    await publisher.record(1500)
    for _ in range(3):
        with start_relay(nats.server, database_url) as relay:
            before = await count_published(database_url)
            await eventually(partial(more_published, database_url, before))
            relay.send_signal(signal.SIGKILL)
    broker = nats.broker("payments", publishes=True)
    async with components_running(broker, Relay(database_url, broker)):
        await expect_published(nats, publisher, timeout=40)


async def count_published(database_url: str) -> int:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        row = await (await connection.execute("select count(published_at) from outbox")).fetchone()
    assert row is not None
    return int(row[0])


async def more_published(database_url: str, seen: int) -> bool:
    return await count_published(database_url) > seen


async def test_an_event_that_waits_too_long_is_a_problem(
    nats: NatsServer, database_url: str, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Relay, "STUCK_SECONDS", 0.1)
    await nats.stop()
    broker = nats.broker("payments", publishes=True)
    relay = Relay(database_url, broker)
    async with components_running(broker, relay):
        assert await relay.check() is None
        await publisher.record()

        async def stuck() -> bool:
            return "has waited" in (await relay.check() or "")

        async def well() -> bool:
            return await relay.check() is None

        await eventually(stuck)
        await nats.start()
        await eventually(well)


async def test_published_events_are_kept_for_30_days(nats: NatsServer, database_url: str, publisher: Publisher) -> None:
    await publisher.record(3)
    broker = nats.broker("payments", publishes=True)
    async with components_running(broker, Relay(database_url, broker)):
        await expect_published(nats, publisher)
    with psycopg.connect(database_url, autocommit=True) as operator:
        old = datetime.now(UTC) - timedelta(days=31)
        operator.execute("update outbox set published_at = %s where id = 1", (old,))
        operator.execute("update outbox set published_at = null, occurred_at = %s where id = 2", (old,))
        async with components_running(broker := nats.broker("payments", publishes=True), Relay(database_url, broker)):

            def ids() -> list[int]:
                return [row[0] for row in operator.execute("select id from outbox order by id")]

            await eventually(lambda: ids() == [2, 3])


async def test_a_relay_stops_at_once(nats: NatsServer, database_url: str) -> None:
    broker = nats.broker("payments", publishes=True)
    relay = Relay(database_url, broker)
    async with asyncio.timeout(10):
        await relay.stop()
        async with components_running(broker, relay):
            pass
        await relay.stop()


ANOTHER = Callable[[], str]


async def test_relays_of_different_databases_do_not_wait_for_each_other(
    nats: NatsServer, database_url: str, another_database: ANOTHER, publisher: Publisher
) -> None:
    broker = nats.broker("payments", publishes=True)
    with psycopg.connect(another_database()) as elsewhere:
        elsewhere.execute("select pg_advisory_xact_lock(hashtext('outbox'))")
        async with components_running(broker, Relay(database_url, broker)):
            await publisher.record(2)
            await expect_published(nats, publisher)
