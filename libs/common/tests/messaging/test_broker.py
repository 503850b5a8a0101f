"""The bus: what is tried again, what is buried, and that streams are there or missed aloud."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import ClassVar
from uuid import uuid4

import psycopg
import pytest
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.messaging.broker import Broker, BrokerUnavailable, Consumer
from cv_common.messaging.events import Event, ResumePaymentChanged
from cv_testing.serving import eventually
from cv_testing.tcp_proxy import proxied
from nats.js.api import StreamConfig
from pydantic import TypeAdapter

from libs.common.tests.conftest import NatsServer, parts_running

PAID = ResumePaymentChanged(resume_id=7, paid=True, revision=1)


class Unheard(Event):
    """An event of a release to come."""

    name: ClassVar[str] = "payments.unheard.v1"
    number: int


def bad_input() -> None:
    TypeAdapter(int).validate_python("seven")


def missing_key() -> None:
    raise KeyError("seven")


def store_away() -> None:
    raise ServiceUnavailable("The media store is not available, try again later.")


def database_away() -> None:
    raise psycopg.OperationalError("the connection is lost")


class Hearing:
    """A handler that fails `times` times, and knows how often it was called."""

    def __init__(self, fail: Callable[[], None], times: int) -> None:
        self._fail, self._times = fail, times
        self.calls = 0
        self.taken: list[Event] = []

    async def __call__(self, event: Event) -> None:
        self.calls += 1
        if self.calls <= self._times:
            self._fail()
        self.taken.append(event)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tries, soon after each other."""
    monkeypatch.setattr(Consumer, "MAX_DELIVERIES", 3)
    monkeypatch.setattr(Consumer, "_redelivery_delay", lambda *_: 0.01)


def consumer(bus: Broker, handler: Callable[[ResumePaymentChanged], Awaitable[None]]) -> Consumer:
    return Consumer(bus, {ResumePaymentChanged: handler})


async def publish(bus: Broker, payload: bytes, name: str = ResumePaymentChanged.name) -> None:
    """Publish as soon as the bus and its stream are there."""

    async def published() -> bool:
        try:
            await bus.publish(name, payload, str(uuid4()))
        except BrokerUnavailable:
            return False
        return True

    await eventually(published)


async def dead_letters(broker: NatsServer) -> list[str | None]:
    return [message.subject for message in await broker.messages("DEAD")]


@pytest.mark.parametrize("fail", [bad_input, missing_key])
async def test_a_handler_that_fails_is_tried_again_whatever_it_raises(
    broker: NatsServer, fail: Callable[[], None]
) -> None:
    payments, resumes = broker.bus("payments", publishes=True), broker.bus("resumes")
    hearing = Hearing(fail, times=2)
    async with parts_running(payments, resumes, consumer(resumes, hearing)):
        await publish(payments, PAID.model_dump_json().encode())
        await eventually(lambda: hearing.taken == [PAID])
        assert await dead_letters(broker) == []


async def test_an_event_that_never_succeeds_is_buried_and_the_next_one_taken(broker: NatsServer) -> None:
    payments, resumes = broker.bus("payments", publishes=True), broker.bus("resumes")
    hearing = Hearing(missing_key, times=3)

    async def ill() -> bool:
        return await resumes.check() == "1 dead letters"

    async with parts_running(payments, resumes, consumer(resumes, hearing)):
        await publish(payments, PAID.model_dump_json().encode())
        await eventually(ill)
        await publish(payments, PAID.model_dump_json().encode())
        await eventually(lambda: hearing.taken == [PAID])
        assert await dead_letters(broker) == [f"dead.resumes.{PAID.name}"]


async def test_what_cannot_be_read_is_buried_at_once(broker: NatsServer) -> None:
    payments, resumes = broker.bus("payments", publishes=True), broker.bus("resumes")
    hearing = Hearing(missing_key, times=0)
    async with parts_running(payments, resumes, consumer(resumes, hearing)):
        await publish(payments, b'{"resume_id": "seven"}')
        await publish(payments, PAID.model_dump_json().encode())
        await eventually(lambda: hearing.taken == [PAID])
        assert await dead_letters(broker) == [f"dead.resumes.{PAID.name}"]


async def test_what_a_later_release_listens_to_is_left_to_it(
    broker: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During an upgrade both releases fetch from the consumer that the later one has widened."""
    monkeypatch.setattr(Consumer, "MAX_DELIVERIES", 50)
    payments, resumes, hearing = broker.bus("payments", publishes=True), broker.bus("resumes"), Hearing(missing_key, 0)
    earlier, later = consumer(resumes, hearing), Consumer(resumes, {ResumePaymentChanged: hearing, Unheard: hearing})

    async def listens() -> bool:
        return await earlier.check() is None

    async with parts_running(payments, resumes, earlier):
        await eventually(listens)
        await later.start()
        for number in range(6):
            event = Unheard(number=number, revision=1)
            await publish(payments, event.model_dump_json().encode(), event.name)
        await eventually(lambda: len(hearing.taken) == 6)
        await later.stop()
        assert await dead_letters(broker) == []


@pytest.mark.parametrize("fail", [store_away, database_away])
async def test_an_outage_longer_than_all_tries_buries_nothing(broker: NatsServer, fail: Callable[[], None]) -> None:
    payments, resumes = broker.bus("payments", publishes=True), broker.bus("resumes")
    hearing = Hearing(fail, times=8)
    async with parts_running(payments, resumes, consumer(resumes, hearing)):
        await publish(payments, PAID.model_dump_json().encode())
        await eventually(lambda: hearing.taken == [PAID])
        assert await dead_letters(broker) == []


async def test_a_handler_that_hangs_is_given_up_and_tried_again(
    broker: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Consumer, "HANDLER_TIMEOUT", 0.1)
    payments, resumes = broker.bus("payments", publishes=True), broker.bus("resumes")
    calls: list[ResumePaymentChanged] = []

    async def handle(event: ResumePaymentChanged) -> None:
        calls.append(event)
        if len(calls) == 1:
            await asyncio.Event().wait()

    async with parts_running(payments, resumes, consumer(resumes, handle)):
        await publish(payments, PAID.model_dump_json().encode())
        await eventually(lambda: len(calls) == 2)


async def test_a_stream_that_cannot_be_declared_is_missed_aloud_until_it_can(
    broker: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with broker.administrator() as jetstream:
        await jetstream.add_stream(StreamConfig("SQUATTER", subjects=["payments.>"]))
        with caplog.at_level(logging.WARNING, "cv_common.messaging.broker"):
            async with parts_running(broker.bus("payments", publishes=True)):
                await eventually(lambda: "subjects overlap" in str([vars(record) for record in caplog.records]))
                await jetstream.delete_stream("SQUATTER")

                async def declared() -> bool:
                    return "PAYMENTS" in {info.config.name for info in await jetstream.streams_info()}

                await eventually(declared)


async def test_a_stream_keeps_the_settings_an_operator_chose(
    broker: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with broker.administrator() as jetstream:
        await jetstream.add_stream(StreamConfig("PAYMENTS", subjects=["payments.>"], max_age=60))
        with caplog.at_level(logging.WARNING, "cv_common.messaging.broker"):
            payments = broker.bus("payments", publishes=True)
            async with parts_running(payments):
                await publish(payments, PAID.model_dump_json().encode())

                async def declared() -> bool:
                    return await payments.check() is None  # it is the stream of dead letters that is asked, the last

                await eventually(declared)
        assert (await jetstream.stream_info("PAYMENTS")).config.max_age == 60
        assert caplog.records == []


async def test_a_silent_broker_is_noticed_within_ten_seconds(broker: NatsServer) -> None:
    """By the client's settings: how long a recovery took depends on the machine, and it came without them too, late."""
    bus = broker.bus("payments")

    async def connected() -> bool:
        return bus._client.is_connected

    async with parts_running(bus):
        await eventually(connected)
        options = bus._client.options
    assert options["ping_interval"] * (options["max_outstanding_pings"] + 1) <= 10


async def test_a_silent_connection_to_the_broker_is_replaced(
    broker: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The publisher's and the consumer's connection at once; no event is lost."""
    monkeypatch.setattr("cv_common.messaging.broker._PING_SECONDS", 0.3)
    hearing = Hearing(bad_input, 0)
    with proxied(broker.server.port) as proxy:
        publishing = broker.bus("payments", publishes=True, port=proxy.port)
        consuming = broker.bus("resumes", port=proxy.port)
        async with parts_running(publishing, consuming, Consumer(consuming, {ResumePaymentChanged: hearing})):
            await publish(publishing, PAID.model_dump_json().encode())
            await eventually(lambda: hearing.taken == [PAID])
            assert await asyncio.to_thread(proxy.freeze) == 2
            another = ResumePaymentChanged(resume_id=8, paid=True, revision=1)
            await publish(publishing, another.model_dump_json().encode())
            await eventually(lambda: another in hearing.taken)
