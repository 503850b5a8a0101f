"""Locks on keys exclude other replicas, and end when a connection goes silent."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from cv_renderer.repository.locks import KeyLocks, LockTimeout
from cv_testing.plugin import ServiceDatabase
from cv_testing.postgres import Postgres
from cv_testing.tcp_proxy import TcpProxy, proxied


@pytest.fixture
def url(service_database: ServiceDatabase) -> str:
    return service_database("renderer")


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[TcpProxy]:
    with proxied(postgres.port) as running:
        yield running


@pytest.fixture
async def locks(url: str) -> AsyncIterator[KeyLocks]:
    replica = KeyLocks(url)
    await replica.start()
    yield replica
    await replica.stop()


@pytest.fixture
async def remote_locks(
    url: str, postgres: Postgres, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KeyLocks]:
    """Yield the locks of another replica, whose connection passes through the proxy."""
    monkeypatch.setattr("cv_renderer.repository.locks._SESSION_OPTIONS", "-c idle_session_timeout=700")
    monkeypatch.setattr("cv_renderer.repository.locks._PING_INTERVAL_SECONDS", 0.15)
    replica = KeyLocks(url.replace(f":{postgres.port}/", f":{proxy.port}/"))
    await replica.start()
    yield replica
    await replica.stop()


async def test_a_lock_excludes_another_replica_until_it_is_released(locks: KeyLocks, remote_locks: KeyLocks) -> None:
    async with remote_locks.hold("key", 0):
        await asyncio.sleep(1)  # longer than the server keeps an idle session
        with pytest.raises(LockTimeout):
            async with locks.hold("key", 0):
                pass
    async with locks.hold("key", 0):
        pass


async def test_a_replica_with_a_silent_connection_blocks_neither_others_nor_itself(
    locks: KeyLocks, remote_locks: KeyLocks, proxy: TcpProxy
) -> None:
    async with remote_locks.hold("key", 0):
        assert await asyncio.to_thread(proxy.freeze) == 1
        async with locks.hold("key", 60), remote_locks.hold("another key", 0):
            pass
