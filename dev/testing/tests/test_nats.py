"""`deploy/nats/nats-server.conf`: the permissions of users, and the durability of confirmed messages."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import nats.errors
import pytest
from cv_testing.nats import Nats, new_passwords
from cv_testing.ports import free_port
from cv_testing.supervisor import ProcessSupervisor, ProgramFailed, running
from cv_testing.workspace import SERVICES
from nats.aio.client import Client
from nats.js.api import StreamConfig

STREAMS = {"auth": "AUTH", "payments": "PAYMENTS", "resumes": "RESUMES", "templates": "TEMPLATES"}
READS = {
    "auth": {"PAYMENTS"},
    "payments": {"AUTH", "RESUMES"},
    "resumes": {"AUTH", "PAYMENTS", "TEMPLATES"},
    "renderer": {"RESUMES"},
    "templates": set(),
}


class Service:
    """A connection as the user of a service. Records permission errors."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.client = Client()
        self._denials: asyncio.Queue[str] = asyncio.Queue()

    async def connect(self, server: Nats) -> None:
        await self.client.connect(
            server.url,
            user=self.name,
            password=server.passwords[self.name],
            error_cb=self._on_error,
            inbox_prefix=f"_INBOX_{self.name}".encode(),
        )

    async def may(self, subject: str) -> bool:
        """Return whether a request to `subject` is permitted, whatever the response."""
        request = asyncio.create_task(self._request(subject))
        denied = asyncio.create_task(self._denials.get())
        done, waiting = await asyncio.wait({request, denied}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        assert done, "neither an answer nor a denial"
        return request in done

    async def may_listen(self, subject: str) -> bool:
        """Return whether a subscription is permitted. Errors come in order, so a forbidden publish ends the wait."""
        await self.client.subscribe(subject)
        await self.client.publish("nobody.may")
        denial = await self._denials.get()
        if "nobody.may" in denial:
            return True
        assert "nobody.may" in await self._denials.get()
        return False

    async def _request(self, subject: str) -> None:
        with suppress(nats.errors.NoRespondersError):
            await self.client.request(subject, b"{}", timeout=10)

    async def _on_error(self, error: Exception) -> None:
        assert "permissions violation" in str(error).lower()
        self._denials.put_nowait(str(error))


def make_server(config: Path, folder: Path) -> Nats:
    return Nats(config, folder, free_port(), free_port(), new_passwords())


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Nats]:
    """Return a server for these tests, whose messages are not valid events."""
    server = make_server(pytestconfig.rootpath / "deploy/nats/nats-server.conf", tmp_path_factory.mktemp("bus"))
    with running(server.program()):
        yield server


@pytest.fixture(params=SERVICES)
async def service(request: pytest.FixtureRequest, bus: Nats) -> AsyncIterator[Service]:
    """Return the connection of each service."""
    connected = Service(request.param)
    await connected.connect(bus)
    yield connected
    await connected.client.close()


async def test_a_service_publishes_only_its_events_and_dead_letters(service: Service) -> None:
    for owner in SERVICES:
        is_own = owner == service.name
        assert await service.may(f"{owner}.thing_happened.v1") is (is_own and owner in STREAMS)
        assert await service.may(f"dead.{owner}.resumes.thing_happened.v1") is is_own


async def test_a_service_declares_its_stream_and_deletes_none(service: Service) -> None:
    for owner, stream in [*STREAMS.items(), (service.name, "DEAD")]:
        assert await service.may(f"$JS.API.STREAM.CREATE.{stream}") is (owner == service.name)
        assert not await service.may(f"$JS.API.STREAM.DELETE.{stream}")
        assert not await service.may(f"$JS.API.STREAM.PURGE.{stream}")


async def test_a_service_uses_only_its_durable_consumer(service: Service) -> None:
    for stream in STREAMS.values():
        for durable in SERVICES:
            expected = stream in READS[service.name] and durable == service.name
            for action in ("CREATE", "DURABLE.CREATE", "INFO", "MSG.NEXT"):
                assert await service.may(f"$JS.API.CONSUMER.{action}.{stream}.{durable}") is expected
            assert await service.may(f"$JS.ACK.{stream}.{durable}.1.1.1.1.0") is expected


async def test_a_service_cannot_subscribe_to_other_subjects(service: Service) -> None:
    assert await service.may_listen(f"_INBOX_{service.name}.>")
    for other in set(SERVICES) - {service.name}:
        assert not await service.may_listen(f"_INBOX_{other}.>")
        assert not await service.may_listen(f"{other}.>")


async def test_the_operator_manages_only_dead_letters(bus: Nats) -> None:
    operator = Service("operator")
    await operator.connect(bus)
    for action in ("MSG.GET", "MSG.DELETE"):
        assert await operator.may(f"$JS.API.STREAM.{action}.DEAD")
        assert not await operator.may(f"$JS.API.STREAM.{action}.AUTH")
    for owner, stream in STREAMS.items():
        assert await operator.may(f"{owner}.thing_happened.v1")
        for action in ("CREATE", "DELETE", "PURGE"):
            assert not await operator.may(f"$JS.API.STREAM.{action}.{stream}")
    assert not await operator.may("dead.auth.thing_happened.v1")
    assert not await operator.may_listen("auth.>")
    await operator.client.close()


async def test_connecting_needs_a_password(bus: Nats) -> None:
    async def ignore(error: Exception) -> None:
        """Ignore the error: connect() raises it too."""

    client = Client()
    try:
        with pytest.raises(nats.errors.Error, match=r"(?i)authorization"):
            await client.connect(bus.url, allow_reconnect=False, error_cb=ignore)
    finally:
        await client.close()


@pytest.fixture
def crashable(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[tuple[Nats, ProcessSupervisor]]:
    """Return a server of one test, in a folder with a space in its name."""
    server = make_server(pytestconfig.rootpath / "deploy/nats/nats-server.conf", tmp_path / "my data")
    with running(server.program()) as keeper:
        yield server, keeper


async def test_confirmed_events_survive_a_crash(crashable: tuple[Nats, ProcessSupervisor]) -> None:
    server, keeper = crashable
    before, after = Service("auth"), Service("auth")
    await before.connect(server)
    await before.client.jetstream().add_stream(StreamConfig("AUTH", subjects=["auth.>"]))
    for _ in range(20):
        await before.client.jetstream().publish("auth.thing_happened.v1", b"{}")
    await before.client.close()

    keeper.kill()
    keeper.wait_ready()

    await after.connect(server)
    assert (await after.client.jetstream().stream_info("AUTH")).state.messages == 20
    await after.client.close()


def test_a_server_without_sync_always_is_refused(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    ours = (pytestconfig.rootpath / "deploy/nats/nats-server.conf").read_text()
    careless = tmp_path / "nats-server.conf"
    careless.write_text(ours.replace("sync_interval: always", "sync_interval: 2m"))
    server = make_server(careless, tmp_path / "data")

    with running(server.program()), pytest.raises(ProgramFailed, match="does not sync every write"):
        server.require_durability()
