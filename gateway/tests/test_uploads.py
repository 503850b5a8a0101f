"""The budget of uploads in flight, and the minimum rate of streamed bodies."""

import asyncio
from asyncio import StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from types import MappingProxyType

import httpx
import pytest
from aiohttp import web

from gateway.tests.conftest import MakeGateway
from gateway.tests.test_request_body import FORM, head
from gateway.tests.world import FakeServices, RunningGateway

Hold = Callable[..., Awaitable[StreamWriter]]

KIB, MIB = 1024, 1024 * 1024
TWO = str(2 * MIB)
UNAVAILABLE = {"detail": "Service temporarily unavailable, try again later."}


@pytest.fixture
async def hold(services: FakeServices) -> AsyncIterator[Hold]:
    """Yield a function that sends half of an upload and waits until the service received some of it."""
    async with AsyncExitStack() as stack:

        async def start(gateway: RunningGateway, path: str, size: int = MIB, *lines: str) -> StreamWriter:
            started, service = asyncio.Event(), services[path.split("/")[2]]

            async def read(request: web.Request) -> web.StreamResponse:
                await request.content.readany()
                started.set()
                return web.json_response({"length": len(await request.read())})

            service.respond = read
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            stack.callback(writer.close)
            writer.write(head(path, f"Content-Length: {size}", f"Content-Type: {FORM['Content-Type']}", *lines))
            writer.write(b"x" * (size // 2))
            async with asyncio.timeout(10):
                await started.wait()
            service.respond = None
            return writer

        yield start


async def post(
    gateway: RunningGateway, path: str, size: int = MIB, headers: Mapping[str, str] = MappingProxyType({})
) -> httpx.Response:
    return await gateway.client.post(path, content=b"x" * size, headers={**FORM, **headers})


async def test_uploads_in_flight_are_limited_per_address(make_gateway: MakeGateway, hold: Hold) -> None:
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


async def test_uploads_in_flight_are_limited_per_service(make_gateway: MakeGateway, hold: Hold) -> None:
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


async def test_a_chunked_upload_reserves_the_body_limit(make_gateway: MakeGateway, hold: Hold) -> None:
    gateway = await make_gateway(LONG_BODIES=str(6 * MIB), LONG_BODY_PATIENCE="0.1")
    await hold(gateway, "/api/resumes/", 200 * KIB)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"x" * 50 * KIB

    assert (await gateway.client.post("/api/resumes/", content=pieces(), headers=FORM)).status_code == 503


async def test_an_upload_waits_for_free_budget(make_gateway: MakeGateway, hold: Hold) -> None:
    gateway = await make_gateway(LONG_BODIES=TWO, LONG_BODY_PATIENCE="30")
    held = [await hold(gateway, "/api/resumes/") for _ in range(2)]
    waiting = asyncio.create_task(post(gateway, "/api/resumes/"))
    assert (await gateway.client.get("/api/resumes/")).status_code == 200
    assert not waiting.done()
    held[0].close()  # a disconnect releases budget too

    assert (await waiting).status_code == 200
    held[1].write(b"x" * (MIB // 2))
    assert (await post(gateway, "/api/resumes/")).status_code == 200


async def test_a_single_upload_may_exceed_the_budget(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(LONG_BODIES="100000", LONG_BODIES_PER_ADDRESS="100000", RATE_LIMITS_ENABLED="true")

    assert (await post(gateway, "/api/resumes/", 6 * MIB)).status_code == 200


@pytest.mark.usefixtures("briefly_draining")
async def test_a_fast_start_does_not_pay_for_a_stall(make_gateway: MakeGateway, services: FakeServices) -> None:
    gateway = await make_gateway(BODY_GRACE="0.5", BODY_RATE="1000")
    response = await gateway.raw(head("/api/resumes/", "Content-Length: 1000000", "Connection: close") + b"x" * 500_000)

    assert response.startswith(b"HTTP/1.1 408 ")
    assert not services["resumes"].received


async def test_the_time_of_a_slowly_reading_service_does_not_count_towards_the_minimum_rate(
    make_gateway: MakeGateway, services: FakeServices
) -> None:
    gateway = await make_gateway(BODY_GRACE="1", BODY_RATE="1000000000")

    async def late(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1.5)
        return web.json_response({"length": len(await request.read())})

    services["resumes"].respond = late
    response = await post(gateway, "/api/resumes/", 6 * MIB)

    assert (response.status_code, response.json()) == (200, {"length": 6 * MIB})
