"""What Prometheus sees: of requests, and of whatever needs somebody's attention."""

import asyncio
from uuid import uuid4

import httpx
from cv_common.app import create_app
from cv_common.kernel.database import Database
from cv_common.kernel.settings import ServiceSettings
from cv_common.messaging.broker import BrokerUnavailable, Consumer
from cv_common.messaging.events import ResumePaymentChanged
from cv_common.messaging.outbox import Relay, record
from cv_testing.identity import IdentityKeys
from cv_testing.serving import eventually, serving
from prometheus_client import REGISTRY
from starlette.types import ASGIApp

from libs.common.tests.conftest import NatsServer, parts_running

EVENT = ResumePaymentChanged(resume_id=1, paid=True, revision=1)


def figure(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


class Patient:
    """A part of a service that is ill until it is cured."""

    name = "patient"
    illness: str | None = "it hurts"

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> str | None:
        return self.illness


async def test_a_problem_of_a_part_is_a_figure(identity_keys: IdentityKeys) -> None:
    patient = Patient()

    def make() -> ASGIApp:
        return create_app("resumes", ServiceSettings(), [], components=[patient])

    async def shows(client: httpx.AsyncClient, line: str) -> bool:
        return line in (await client.get("/metrics")).text.splitlines()

    async with serving(make, identity_keys.environment("resumes")) as client:
        await eventually(lambda: shows(client, 'health_problem{part="patient"} 1.0'))
    patient.illness = None
    async with serving(make, identity_keys.environment("resumes")) as client:
        await eventually(lambda: shows(client, 'health_problem{part="patient"} 0.0'))


async def test_an_event_that_waits_shows(database_url: str, broker: NatsServer) -> None:
    await broker.stop()
    database = Database(database_url)
    async with parts_running(database, Relay(database_url, broker.bus("payments", publishes=True))):
        async with database.transaction() as tx:
            await record(tx, EVENT)
        await eventually(lambda: (figure("outbox_oldest_seconds") or 0) > 0)


async def test_dead_letters_what_waits_and_how_full_the_streams_are_show(broker: NatsServer) -> None:
    async def never(_: ResumePaymentChanged) -> None:
        raise AssertionError("nothing can be read")

    payments, resumes = broker.bus("payments", publishes=True), broker.bus("resumes")
    async with parts_running(payments, resumes):

        async def published() -> bool:
            await payments.publish(ResumePaymentChanged.name, b"{}", "1")
            return await payments.check() is None

        await eventually(published, despite=(BrokerUnavailable,))
        assert 0 < (figure("stream_fill_ratio", stream="PAYMENTS") or 0) < 0.01
        async with parts_running(Consumer(resumes, {ResumePaymentChanged: never})):
            await eventually(resumes.check)
        assert figure("dead_letters") == 1


async def test_a_consumer_that_is_behind_shows(broker: NatsServer) -> None:
    payments, resumes = broker.bus("payments", publishes=True), broker.bus("resumes")
    go_on = asyncio.Event()

    async def wait(_: ResumePaymentChanged) -> None:
        await go_on.wait()

    consumer = Consumer(resumes, {ResumePaymentChanged: wait})
    async with parts_running(payments, resumes, consumer):

        async def lags() -> bool:
            await payments.publish(ResumePaymentChanged.name, EVENT.model_dump_json().encode(), str(uuid4()))
            return await consumer.check() is None and (figure("consumer_lag", stream="PAYMENTS") or 0) >= 2

        await eventually(lags, despite=(BrokerUnavailable,))
        go_on.set()

        async def caught_up() -> bool:
            return await consumer.check() is None and figure("consumer_lag", stream="PAYMENTS") == 0

        await eventually(caught_up)


async def test_the_pool_shows(database_url: str) -> None:
    database = Database(database_url, pool_size=3)
    async with parts_running(database), database.connection():

        async def counted() -> bool:
            return await database.check() is None and (figure("database_pool", of="all") or 0) >= 2

        await eventually(counted)
        assert figure("database_pool", of="waiting") == 0
