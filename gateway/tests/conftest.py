"""Fixtures: one gateway and five fake services for the whole run, and further gateways with other settings."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from gateway.tests.world import (
    SERVICES,
    AuthKeys,
    FakeService,
    FakeServices,
    RunningGateway,
    start_gateway,
    stop_gateway,
)

MakeGateway = Callable[..., Awaitable[RunningGateway]]


@pytest.fixture(scope="session")
def auth_keys() -> AuthKeys:
    return AuthKeys()


@pytest.fixture(scope="session")
async def all_services(auth_keys: AuthKeys) -> AsyncIterator[FakeServices]:
    async with AsyncExitStack() as stack:
        services = {name: FakeService(name, auth_keys) for name in SERVICES}
        for service in services.values():
            await service.start()
            stack.push_async_callback(service.stop)
        yield services


@pytest.fixture(autouse=True)
def services(all_services: FakeServices) -> FakeServices:
    """Return the fake services, reset before every test."""
    for service in all_services.values():
        service.reset()
    return all_services


@pytest.fixture(scope="session")
async def running_gateway(all_services: FakeServices) -> AsyncIterator[RunningGateway]:
    gateway = await start_gateway(all_services, {})
    yield gateway
    await stop_gateway(gateway)


@pytest.fixture
def gateway(running_gateway: RunningGateway) -> RunningGateway:
    running_gateway.client.cookies.clear()
    return running_gateway


@pytest.fixture
async def make_gateway(services: FakeServices) -> AsyncIterator[MakeGateway]:
    """Starts a gateway with the given settings and, if given, other services."""
    async with AsyncExitStack() as stack:

        async def make(instead: FakeServices | None = None, *, wait: bool = True, **settings: str) -> RunningGateway:
            gateway = await start_gateway({**services, **(instead or {})}, settings, wait=wait)
            stack.push_async_callback(stop_gateway, gateway)
            return gateway

        yield make
