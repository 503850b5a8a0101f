"""A NATS cluster of three servers, each with a copy of the streams, of which one may fail."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from cv_common.messaging.broker import Broker, BrokerUnavailable
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import Event, ResumePaymentChanged
from cv_testing.nats import Nats, new_passwords
from cv_testing.ports import free_port
from cv_testing.serving import eventually
from cv_testing.supervisor import ProcessSupervisor

from libs.common.tests.conftest import components_running

pytestmark = pytest.mark.operations


class Cluster:
    """Clients connect to the first server, which tells them the addresses of the others."""

    def __init__(self, servers: list[Nats], supervisors: list[ProcessSupervisor]) -> None:
        self._servers, self._supervisors = servers, supervisors

    def broker(self, service: str, *, publishes: bool = False) -> Broker:
        login = self._servers[0].environment(service)
        return Broker(
            login["NATS_URL"], service, login["NATS_PASSWORD"], service=service, publishes=publishes, replicas=3
        )

    def lose(self, leader: str | None) -> None:
        """Stop the leader of the stream."""
        [supervisor] = [each for each in self._supervisors if each.program.name == leader]
        supervisor.stop()


@pytest.fixture
def cluster(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Cluster]:
    config = pytestconfig.rootpath / "deploy" / "nats" / "nats-server.conf"
    passwords = new_passwords()
    servers = [Nats(config, tmp_path / f"nats-{number}", free_port(), free_port(), passwords) for number in range(3)]
    routes = [f"nats://127.0.0.1:{free_port()}" for _ in servers]
    with ExitStack() as stack:
        supervisors = []
        for number, (server, route) in enumerate(zip(servers, routes, strict=True)):
            program = server.program(f"nats-{number}")
            member = ["--name", program.name, "--cluster_name", "cv", "--cluster", route, "--routes", ",".join(routes)]
            supervisor = ProcessSupervisor(replace(program, command=[*program.command, *member]))
            supervisor.start()
            stack.callback(supervisor.stop)
            supervisors.append(supervisor)
        for supervisor in supervisors:
            supervisor.wait_ready()
        yield Cluster(servers, supervisors)


async def publish(broker: Broker, event: Event) -> None:
    """Publish until it is confirmed, as the outbox does."""

    async def is_confirmed() -> bool:
        await broker.publish(event.name, event.model_dump_json().encode(), str(event.id))
        return True

    await eventually(is_confirmed, despite=(BrokerUnavailable,))


async def test_losing_the_leader_loses_no_event(cluster: Cluster) -> None:
    payments, resumes = cluster.broker("payments", publishes=True), cluster.broker("resumes")
    events = [ResumePaymentChanged(resume_id=number, paid=True, revision=1) for number in range(2)]
    received: list[Event] = []

    async def receive(event: Event) -> None:
        received.append(event)

    # Both learn the other servers from the first one, which may be the leader that is stopped.
    async with components_running(payments, resumes):
        await publish(payments, events[0])
        copies = (await payments.jetstream.stream_info("PAYMENTS")).cluster
        assert copies is not None
        assert len(copies.replicas or []) == 2
        cluster.lose(copies.leader)
        await publish(payments, events[1])
        async with components_running(Consumer(resumes, {ResumePaymentChanged: receive})):
            await eventually(lambda: received == events)
