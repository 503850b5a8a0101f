"""Fixtures: a database with test tables, and a NATS server."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from cv_common.app import Component
from cv_common.messaging.broker import Broker
from cv_common.messaging.inbox import inbox_table
from cv_common.messaging.outbox import outbox_table
from cv_testing.nats import Nats, new_passwords
from cv_testing.ports import free_port
from cv_testing.postgres import Postgres
from cv_testing.supervisor import ProcessSupervisor, running
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Table, Text, create_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.pool import NullPool

metadata = MetaData()

notes = Table(
    "notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", Text),
    Column("parts", JSONB),
    Column("changed_at", DateTime(timezone=True)),
    Column("revision", BigInteger),
)
inbox_table(metadata)
outbox_table(metadata)


@pytest.fixture
def database_url(postgres: Postgres) -> str:
    """Return the URL of an empty database with the tables above."""
    return new_database(postgres)


@pytest.fixture
def another_database(postgres: Postgres) -> Callable[[], str]:
    """Return a function that creates another such database."""
    return lambda: new_database(postgres)


def new_database(postgres: Postgres) -> str:
    url = postgres.ensure_database(f"common_{secrets.token_hex(6)}", secrets.token_hex(16))
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    metadata.create_all(engine)
    return url


class NatsServer:
    """A NATS server of one test, with an administrator who has all permissions."""

    def __init__(self, server: Nats, supervisor: ProcessSupervisor, folder: Path) -> None:
        self.server, self._supervisor, self._folder = server, supervisor, folder

    def broker(self, service: str, *, publishes: bool = False, port: int | None = None) -> Broker:
        login = self.server.environment(service, port)
        return Broker(
            login["NATS_URL"], login["NATS_USER"], login["NATS_PASSWORD"], service=service, publishes=publishes
        )

    @asynccontextmanager
    async def administrator(self) -> AsyncIterator[JetStreamContext]:
        client = Client()
        await client.connect(self.server.url, user="administrator", password="administrator")
        yield client.jetstream()
        await client.close()

    async def messages(self, stream: str) -> list[RawStreamMsg]:
        """Return all messages of a stream."""
        async with self.administrator() as jetstream:
            state = (await jetstream.stream_info(stream)).state
            last = state.last_seq if state.messages else 0
            return [await jetstream.get_msg(stream, sequence) for sequence in range(max(state.first_seq, 1), last + 1)]

    async def stop(self) -> None:
        await asyncio.to_thread(self._supervisor.stop)

    async def start(self) -> None:
        self._supervisor.start()
        await asyncio.to_thread(self._supervisor.wait_ready)

    async def crash(self) -> None:
        """Kill the server with SIGKILL. It restarts."""
        self._supervisor.kill()
        await self.stop()
        await self.start()

    async def lose_data(self) -> None:
        """Restart the server with an empty disk."""
        await self.stop()
        shutil.rmtree(self._folder)
        self._folder.mkdir()
        await self.start()


@pytest.fixture
def nats(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[NatsServer]:
    ours = (pytestconfig.rootpath / "deploy/nats/nats-server.conf").read_text()
    config = tmp_path / "nats-server.conf"
    config.write_text(ours.replace("users: [", "users: [ {user: administrator, password: administrator}", 1))
    server = Nats(config, tmp_path / "nats", free_port(), free_port(), new_passwords())
    with running(server.program()) as supervisor:
        yield NatsServer(server, supervisor, tmp_path / "nats")


@asynccontextmanager
async def components_running(*components: Component) -> AsyncIterator[None]:
    """Start components in order, and stop them in reverse, as the app does."""
    async with AsyncExitStack() as stack:
        for component in components:
            await component.start()
            stack.push_async_callback(component.stop)
        yield
