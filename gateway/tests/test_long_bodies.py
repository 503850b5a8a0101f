"""Long bodies: a service holds what has arrived of them, so only so many bytes are on their way at a time."""

import asyncio
from asyncio import StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from types import MappingProxyType

import httpx
import pytest
from aiohttp import web

from gateway.tests.conftest import MakeGateway
from gateway.tests.test_bodies import FORM, head
from gateway.tests.world import FakeService, RunningGateway

Services = dict[str, FakeService]
Hold = Callable[..., Awaitable[StreamWriter]]

KIB, MIB = 1024, 1024 * 1024
TWO = str(2 * MIB)
UNAVAILABLE = {"detail": "Service temporarily unavailable, try again later."}


@pytest.fixture
async def hold(services: Services) -> AsyncIterator[Hold]:
    """Announces a body, sends the first half of it, and comes back when the service has some of it."""
    async with AsyncExitStack() as stack:

        async def begin(gateway: RunningGateway, path: str, size: int = MIB, *lines: str) -> StreamWriter:
            begun, service = asyncio.Event(), services[path.split("/")[2]]

            async def read(request: web.Request) -> web.StreamResponse:
                await request.content.readany()
                begun.set()
                return web.json_response({"length": len(await request.read())})

            service.respond = read
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            stack.callback(writer.close)
            writer.write(head(path, f"Content-Length: {size}", f"Content-Type: {FORM['Content-Type']}", *lines))
            writer.write(b"x" * (size // 2))
            async with asyncio.timeout(10):
                await begun.wait()
            service.respond = None
            return writer

        yield begin


async def post(
    gateway: RunningGateway, path: str, size: int = MIB, headers: Mapping[str, str] = MappingProxyType({})
) -> httpx.Response:
    return await gateway.client.post(path, content=b"x" * size, headers={**FORM, **headers})


async def test_an_address_has_only_so_much_on_its_way(make_gateway: MakeGateway, hold: Hold) -> None:
    gateway = await make_gateway(
        RATE_LIMITS_ENABLED="true",
        LONG_BODIES_PER_ADDRESS=TWO,
        LONG_BODY_PATIENCE="0.1",
        TRUSTED_PROXIES='["127.0.0.0/8"]',
    )
    for _ in range(2):
        await hold(gateway, "/api/resumes/", MIB, "X-Forwarded-For: 192.0.2.1")
    mine = {"X-Forwarded-For": "192.0.2.1"}
    refused = await post(gateway, "/api/resumes/", headers=mine)
    short = await post(gateway, "/api/resumes/", 60 * KIB, mine)
    read = await gateway.client.get("/api/resumes/", headers=mine)
    elsewhere = await post(gateway, "/api/auth/profile/", headers=mine)
    other = await post(gateway, "/api/resumes/", headers={"X-Forwarded-For": "192.0.2.2"})

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert refused.json() == {"detail": "Request was throttled. Expected available in 5 seconds."}
    assert [each.status_code for each in (short, read, elsewhere, other)] == [200] * 4


async def test_a_service_has_only_so_much_on_its_way(make_gateway: MakeGateway, hold: Hold) -> None:
    gateway = await make_gateway(LONG_BODIES=TWO, LONG_BODY_PATIENCE="0.1")
    for _ in range(2):
        await hold(gateway, "/api/payments/create-checkout/")
    refused = await post(gateway, "/api/payments/create-checkout/")
    short = await post(gateway, "/api/payments/create-checkout/", 60 * KIB)
    read = await gateway.client.get("/api/payments/subscription/")
    webhook = await post(gateway, "/api/payments/webhook/")
    elsewhere = await post(gateway, "/api/resumes/")

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert refused.json() == UNAVAILABLE
    assert [each.status_code for each in (short, read, webhook, elsewhere)] == [200] * 4


async def test_a_body_of_unknown_length_counts_as_long_as_it_may_be(make_gateway: MakeGateway, hold: Hold) -> None:
    gateway = await make_gateway(LONG_BODIES=str(6 * MIB), LONG_BODY_PATIENCE="0.1")
    await hold(gateway, "/api/resumes/", 200 * KIB)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"x" * 50 * KIB

    assert (await gateway.client.post("/api/resumes/", content=pieces(), headers=FORM)).status_code == 503


async def test_a_body_waits_for_those_before_it(make_gateway: MakeGateway, hold: Hold) -> None:
    gateway = await make_gateway(LONG_BODIES=TWO, LONG_BODY_PATIENCE="30")
    held = [await hold(gateway, "/api/resumes/") for _ in range(2)]
    waiting = asyncio.create_task(post(gateway, "/api/resumes/"))
    assert (await gateway.client.get("/api/resumes/")).status_code == 200
    assert not waiting.done()
    held[0].close()  # who leaves makes room too

    assert (await waiting).status_code == 200
    held[1].write(b"x" * (MIB // 2))
    assert (await post(gateway, "/api/resumes/")).status_code == 200


async def test_the_longest_body_passes_where_there_is_nothing_else(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(LONG_BODIES="100000", LONG_BODIES_PER_ADDRESS="100000", RATE_LIMITS_ENABLED="true")

    assert (await post(gateway, "/api/resumes/", 6 * MIB)).status_code == 200


async def test_a_body_that_came_fast_may_not_rest_the_longer(make_gateway: MakeGateway, services: Services) -> None:
    gateway = await make_gateway(BODY_GRACE="0.5", BODY_RATE="1000")
    answer = await gateway.raw(head("/api/resumes/", "Content-Length: 1000000", "Connection: close") + b"x" * 500_000)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert not services["resumes"].received


async def test_a_client_is_not_blamed_for_a_service_that_reads_slowly(
    make_gateway: MakeGateway, services: Services
) -> None:
    gateway = await make_gateway(BODY_GRACE="2", BODY_RATE="1000000000")

    async def late(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3)
        return web.json_response({"length": len(await request.read())})

    services["resumes"].respond = late
    answer = await post(gateway, "/api/resumes/", 6 * MIB)

    assert (answer.status_code, answer.json()) == (200, {"length": 6 * MIB})
