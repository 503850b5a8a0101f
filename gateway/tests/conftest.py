"""Fixtures: one gateway process and five fake services for the whole run, and gateways with other settings."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from gateway.tests.world import (
    SERVICES,
    AuthKeys,
    FakeService,
    FakeServices,
    GatewayProcess,
    RunningGateway,
    embedded_gateway,
    gateway_process,
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
async def running_gateway(all_services: FakeServices) -> AsyncIterator[GatewayProcess]:
    async with gateway_process(all_services) as gateway:
        yield gateway


@pytest.fixture
def gateway(running_gateway: GatewayProcess) -> GatewayProcess:
    running_gateway.client.cookies.clear()
    return running_gateway


@pytest.fixture
async def make_gateway(services: FakeServices) -> AsyncIterator[MakeGateway]:
    """Yield a function that starts a gateway with the given settings and, if given, other services."""
    async with AsyncExitStack() as stack:

        async def make(instead: FakeServices | None = None, **settings: str) -> RunningGateway:
            return await stack.enter_async_context(embedded_gateway({**services, **(instead or {})}, settings))

        yield make


@pytest.fixture
def briefly_draining(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time in which a gateway that `make_gateway` starts discards the rest of a body."""
    monkeypatch.setattr("cv_gateway.request_body._MAX_DRAIN_SECONDS", 0.3)
