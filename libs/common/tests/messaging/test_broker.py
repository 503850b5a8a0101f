"""The broker and its consumers: retries, dead letters, streams and silent connections."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import ClassVar
from uuid import uuid4

import psycopg
import pytest
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.messaging.broker import Broker, BrokerUnavailable
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import Event, ResumePaymentChanged
from cv_testing.serving import eventually
from cv_testing.tcp_proxy import proxied
from nats.js.api import StreamConfig
from pydantic import TypeAdapter

from libs.common.tests.conftest import NatsServer, components_running

PAID = ResumePaymentChanged(resume_id=7, paid=True, revision=1)


class FutureEvent(Event):
    """An event of a newer release."""

    name: ClassVar[str] = "payments.future.v1"
    number: int


def fail_with_bad_input() -> None:
    TypeAdapter(int).validate_python("seven")


def fail_with_key_error() -> None:
    raise KeyError("seven")


def store_unavailable() -> None:
    raise ServiceUnavailable("The media store is not available, try again later.")


def database_unavailable() -> None:
    raise psycopg.OperationalError("the connection is lost")


class FailingHandler:
    """A handler that fails `times` times and records the events it has processed."""

    def __init__(self, fail: Callable[[], None], times: int) -> None:
        self._fail, self._times = fail, times
        self.calls = 0
        self.processed: list[Event] = []

    async def __call__(self, event: Event) -> None:
        self.calls += 1
        if self.calls <= self._times:
            self._fail()
        self.processed.append(event)


@pytest.fixture(autouse=True)
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three deliveries, without a delay."""
    monkeypatch.setattr(Consumer, "MAX_DELIVERIES", 3)
    monkeypatch.setattr(Consumer, "_redelivery_delay", lambda *_: 0.01)


def consumer(connection: Broker, handler: Callable[[ResumePaymentChanged], Awaitable[None]]) -> Consumer:
    return Consumer(connection, {ResumePaymentChanged: handler})


async def publish(connection: Broker, payload: bytes, name: str = ResumePaymentChanged.name) -> None:
    """Publish as soon as the broker has the stream."""

    async def published() -> bool:
        try:
            await connection.publish(name, payload, str(uuid4()))
        except BrokerUnavailable:
            return False
        return True

    await eventually(published)


async def dead_letters(nats: NatsServer) -> list[str | None]:
    return [message.subject for message in await nats.messages("DEAD")]


@pytest.mark.parametrize("fail", [fail_with_bad_input, fail_with_key_error])
async def test_a_failed_event_is_redelivered_after_every_exception(nats: NatsServer, fail: Callable[[], None]) -> None:
    payments, resumes = nats.broker("payments", publishes=True), nats.broker("resumes")
    handler = FailingHandler(fail, times=2)
    async with components_running(payments, resumes, consumer(resumes, handler)):
        await publish(payments, PAID.model_dump_json().encode())
        await eventually(lambda: handler.processed == [PAID])
        assert await dead_letters(nats) == []


async def test_an_event_that_always_fails_becomes_a_dead_letter(nats: NatsServer) -> None:
    payments, resumes = nats.broker("payments", publishes=True), nats.broker("resumes")
    handler = FailingHandler(fail_with_key_error, times=3)

    async def unhealthy() -> bool:
        return await resumes.check() == "1 dead letters"

    async with components_running(payments, resumes, consumer(resumes, handler)):
        await publish(payments, PAID.model_dump_json().encode())
        await eventually(unhealthy)
        await publish(payments, PAID.model_dump_json().encode())
        await eventually(lambda: handler.processed == [PAID])
        assert await dead_letters(nats) == [f"dead.resumes.{PAID.name}"]


async def test_an_unreadable_event_becomes_a_dead_letter_at_once(nats: NatsServer) -> None:
    payments, resumes = nats.broker("payments", publishes=True), nats.broker("resumes")
    handler = FailingHandler(fail_with_key_error, times=0)

    async def is_dead_letter() -> bool:
        return await dead_letters(nats) == [f"dead.resumes.{PAID.name}"]

    async with components_running(payments, resumes, consumer(resumes, handler)):
        await publish(payments, b'{"resume_id": "seven"}')
        await publish(payments, PAID.model_dump_json().encode())
        await eventually(lambda: handler.processed == [PAID])
        # The stream of dead letters may not have been declared at the first attempt.
        await eventually(is_dead_letter)


async def test_an_unknown_event_is_left_to_a_newer_replica(nats: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """During a rolling upgrade both releases use one durable consumer, to which the newer one has added subjects."""
    monkeypatch.setattr(Consumer, "MAX_DELIVERIES", 50)
    payments, resumes = nats.broker("payments", publishes=True), nats.broker("resumes")
    handler = FailingHandler(fail_with_key_error, times=0)
    earlier = consumer(resumes, handler)
    later = Consumer(resumes, {ResumePaymentChanged: handler, FutureEvent: handler})

    async def listens() -> bool:
        return await earlier.check() is None

    async with components_running(payments, resumes, earlier):
        await eventually(listens)
        await later.start()
        for number in range(6):
            event = FutureEvent(number=number, revision=1)
            await publish(payments, event.model_dump_json().encode(), event.name)
        await eventually(lambda: len(handler.processed) == 6)
        await later.stop()
        assert await dead_letters(nats) == []


@pytest.mark.parametrize("fail", [store_unavailable, database_unavailable])
async def test_a_long_outage_makes_no_dead_letters(nats: NatsServer, fail: Callable[[], None]) -> None:
    payments, resumes = nats.broker("payments", publishes=True), nats.broker("resumes")
    handler = FailingHandler(fail, times=8)
    async with components_running(payments, resumes, consumer(resumes, handler)):
        await publish(payments, PAID.model_dump_json().encode())
        await eventually(lambda: handler.processed == [PAID])
        assert await dead_letters(nats) == []


async def test_a_handler_that_hangs_is_canceled_and_its_event_redelivered(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Consumer, "HANDLER_TIMEOUT", 0.1)
    payments, resumes = nats.broker("payments", publishes=True), nats.broker("resumes")
    calls: list[ResumePaymentChanged] = []

    async def handle(event: ResumePaymentChanged) -> None:
        calls.append(event)
        if len(calls) == 1:
            await asyncio.Event().wait()

    async with components_running(payments, resumes, consumer(resumes, handle)):
        await publish(payments, PAID.model_dump_json().encode())
        await eventually(lambda: len(calls) == 2)


async def test_a_missing_stream_is_a_problem_until_it_is_declared(
    nats: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with nats.administrator() as jetstream:
        await jetstream.add_stream(StreamConfig("SQUATTER", subjects=["payments.>"]))
        with caplog.at_level(logging.WARNING, "cv_common.messaging.broker"):
            async with components_running(nats.broker("payments", publishes=True)):
                await eventually(lambda: "subjects overlap" in str([vars(record) for record in caplog.records]))
                await jetstream.delete_stream("SQUATTER")

                async def declared() -> bool:
                    return "PAYMENTS" in {info.config.name for info in await jetstream.streams_info()}

                await eventually(declared)


async def test_a_stream_keeps_the_settings_of_an_operator(nats: NatsServer, caplog: pytest.LogCaptureFixture) -> None:
    async with nats.administrator() as jetstream:
        await jetstream.add_stream(StreamConfig("PAYMENTS", subjects=["payments.>"], max_age=60))
        with caplog.at_level(logging.WARNING, "cv_common.messaging.broker"):
            payments = nats.broker("payments", publishes=True)
            async with components_running(payments):
                await publish(payments, PAID.model_dump_json().encode())

                async def declared() -> bool:
                    return (
                        await payments.check() is None
                    )  # the stream of dead letters, which check() queries, is declared last

                await eventually(declared)
        assert (await jetstream.stream_info("PAYMENTS")).config.max_age == 60
        assert caplog.records == []


async def test_a_silent_broker_is_detected_within_ten_seconds(nats: NatsServer) -> None:
    """Checks the settings of the client, because the time of a recovery depends on the machine."""
    connection = nats.broker("payments")

    async def connected() -> bool:
        return connection._client.is_connected

    async with components_running(connection):
        await eventually(connected)
        options = connection._client.options
    assert options["ping_interval"] * (options["max_outstanding_pings"] + 1) <= 10


async def test_a_silent_connection_to_the_broker_is_replaced(nats: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both the publisher's and the consumer's connection become silent. No event is lost."""
    monkeypatch.setattr("cv_common.messaging.broker._PING_SECONDS", 0.3)
    handler = FailingHandler(fail_with_bad_input, 0)
    with proxied(nats.server.port) as proxy:
        publishing = nats.broker("payments", publishes=True, port=proxy.port)
        consuming = nats.broker("resumes", port=proxy.port)
        async with components_running(publishing, consuming, Consumer(consuming, {ResumePaymentChanged: handler})):
            await publish(publishing, PAID.model_dump_json().encode())
            await eventually(lambda: handler.processed == [PAID])
            assert await asyncio.to_thread(proxy.freeze) == 2
            another = ResumePaymentChanged(resume_id=8, paid=True, revision=1)
            await publish(publishing, another.model_dump_json().encode())
            await eventually(lambda: another in handler.processed)
