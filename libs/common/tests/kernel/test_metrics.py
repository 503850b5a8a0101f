"""Prometheus metrics of components, events and the connection pool."""

import asyncio
from uuid import uuid4

import httpx
from cv_common.app import create_app
from cv_common.kernel.database import Database
from cv_common.kernel.settings import ServiceSettings
from cv_common.messaging.broker import BrokerUnavailable
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import ResumePaymentChanged
from cv_common.messaging.outbox import Relay, record
from cv_testing.identity import IdentityKeys
from cv_testing.serving import eventually, serving
from prometheus_client import REGISTRY
from starlette.types import ASGIApp

from libs.common.tests.conftest import NatsServer, components_running

EVENT = ResumePaymentChanged(resume_id=1, paid=True, revision=1)


def metric_value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


class FaultyComponent:
    """A component whose problem can be set."""

    name = "patient"
    illness: str | None = "it hurts"

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> str | None:
        return self.illness


async def test_the_problem_of_a_component_is_a_metric(identity_keys: IdentityKeys) -> None:
    patient = FaultyComponent()

    def make() -> ASGIApp:
        return create_app("resumes", ServiceSettings(), [], components=[patient])

    async def shows(client: httpx.AsyncClient, line: str) -> bool:
        return line in (await client.get("/metrics")).text.splitlines()

    async with serving(make, identity_keys.environment("resumes")) as client:
        await eventually(lambda: shows(client, 'health_problem{part="patient"} 1.0'))
    patient.illness = None
    async with serving(make, identity_keys.environment("resumes")) as client:
        await eventually(lambda: shows(client, 'health_problem{part="patient"} 0.0'))


async def test_the_age_of_an_unpublished_event_is_a_metric(database_url: str, nats: NatsServer) -> None:
    await nats.stop()
    database = Database(database_url)
    async with components_running(database, Relay(database_url, nats.broker("payments", publishes=True))):
        async with database.transaction() as tx:
            await record(tx, EVENT)
        await eventually(lambda: (metric_value("outbox_oldest_seconds") or 0) > 0)


async def test_dead_letters_lag_and_stream_fill_are_metrics(nats: NatsServer) -> None:
    async def never(_: ResumePaymentChanged) -> None:
        raise AssertionError("nothing can be read")

    payments, resumes = nats.broker("payments", publishes=True), nats.broker("resumes")
    async with components_running(payments, resumes):

        async def published() -> bool:
            await payments.publish(ResumePaymentChanged.name, b"{}", "1")
            return await payments.check() is None

        await eventually(published, despite=(BrokerUnavailable,))
        assert 0 < (metric_value("stream_fill_ratio", stream="PAYMENTS") or 0) < 0.01
        async with components_running(Consumer(resumes, {ResumePaymentChanged: never})):
            await eventually(resumes.check)
        assert metric_value("dead_letters") == 1


async def test_the_lag_of_a_consumer_is_a_metric(nats: NatsServer) -> None:
    payments, resumes = nats.broker("payments", publishes=True), nats.broker("resumes")
    go_on = asyncio.Event()

    async def wait(_: ResumePaymentChanged) -> None:
        await go_on.wait()

    consumer = Consumer(resumes, {ResumePaymentChanged: wait})
    async with components_running(payments, resumes, consumer):

        async def lags() -> bool:
            await payments.publish(ResumePaymentChanged.name, EVENT.model_dump_json().encode(), str(uuid4()))
            return await consumer.check() is None and (metric_value("consumer_lag", stream="PAYMENTS") or 0) >= 2

        await eventually(lags, despite=(BrokerUnavailable,))
        go_on.set()

        async def caught_up() -> bool:
            return await consumer.check() is None and metric_value("consumer_lag", stream="PAYMENTS") == 0

        await eventually(caught_up)


async def test_the_pool_has_metrics(database_url: str) -> None:
    database = Database(database_url, pool_size=3)
    async with components_running(database), database.connection():

        async def counted() -> bool:
            return await database.check() is None and (metric_value("database_pool", of="all") or 0) >= 2

        await eventually(counted)
        assert metric_value("database_pool", of="waiting") == 0
