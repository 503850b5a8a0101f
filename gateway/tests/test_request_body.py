"""Request bodies: buffering, streaming, and the limits of size and rate."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from gateway.tests.conftest import MakeGateway
from gateway.tests.world import FakeServices, RunningGateway

MIB = 1024 * 1024
TOO_LARGE = b'{"detail":"The request is too large."}'
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
TEXT = {"Content-Type": "application/json"}


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_000_000])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_arrives_as_it_was_sent(
    gateway: RunningGateway, services: FakeServices, size: int, chunked: bool
) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, size, 10_000):
            yield body[start : start + 10_000]

    await gateway.client.post("/api/resumes/", content=pieces() if chunked else body, headers=TEXT)

    (received,) = services["resumes"].received
    assert received.body == body
    assert received.headers.get("Content-Type") == "application/json"


async def test_a_long_body_is_streamed(gateway: RunningGateway, services: FakeServices) -> None:
    first_seen = asyncio.Event()

    async def count(request: web.Request) -> web.StreamResponse:
        total = 0
        async for chunk in request.content.iter_any():
            total += len(chunk)
            first_seen.set()
        return web.json_response({"total": total, "length": request.headers.get("Content-Length")})

    async def halves() -> AsyncIterator[bytes]:
        yield b"x" * 300_000
        # The second half is sent after the service received a part of the first.
        await first_seen.wait()
        yield b"x" * 300_000

    services["resumes"].respond = count
    response = await gateway.client.post("/api/resumes/", content=halves(), headers={"Content-Length": "600000"})

    assert response.json() == {"total": 600_000, "length": "600000"}


@pytest.mark.parametrize(
    ("path", "headers", "limit"),
    [
        ("/api/resumes/", TEXT, MIB),
        ("/api/resumes/", FORM, 6 * MIB),
        ("/api/resumes/7/", FORM, 6 * MIB),
        ("/api/resumes/import_linkedin/", TEXT, MIB),
        ("/api/resumes/import_linkedin/", FORM, 20 * MIB),
        ("/api/auth/register/", FORM, MIB),
        ("/api/payments/webhook/", TEXT, MIB),
    ],
)
async def test_each_path_has_its_body_limit(
    gateway: RunningGateway, services: FakeServices, path: str, headers: dict[str, str], limit: int
) -> None:
    async def sizes(size: int) -> list[int]:
        declared = await gateway.client.post(path, content=b"x" * size, headers=headers)

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, size, 100_000):
                yield b"x" * min(100_000, size - start)

        chunked = await gateway.client.post(path, content=pieces(), headers=headers)
        return [declared.status_code, chunked.status_code]

    assert await sizes(limit) == [200, 200]
    assert await sizes(limit + 1) == [413, 413]
    assert all(len(each.body) == limit for each in services[path.split("/")[2]].received)


async def test_an_oversized_content_length_is_refused_before_the_body_is_sent(
    gateway: RunningGateway, services: FakeServices
) -> None:
    response = await gateway.raw(head("/api/resumes/", "Content-Length: 200000000") + b"x" * 1000, until=TOO_LARGE)

    assert response.startswith(b"HTTP/1.1 413 ")
    assert not services["resumes"].received


async def test_an_oversized_body_is_refused_instead_of_100_continue(gateway: RunningGateway) -> None:
    sent = head("/api/resumes/", "Content-Length: 200000000", "Expect: 100-continue")
    response = await gateway.raw(sent, until=TOO_LARGE)

    assert response.startswith(b"HTTP/1.1 413 ")


@pytest.mark.usefixtures("briefly_draining")
async def test_an_endless_chunked_body_is_refused_at_the_limit(
    make_gateway: MakeGateway, services: FakeServices
) -> None:
    gateway = await make_gateway()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head("/api/resumes/", "Transfer-Encoding: chunked"))

    async def send_without_end() -> None:
        while True:
            writer.write(chunk)
            await writer.drain()

    sending = asyncio.create_task(send_without_end())
    async with asyncio.timeout(10):
        response = await reader.readuntil(TOO_LARGE)
        with pytest.raises(ConnectionError):
            await sending
    writer.close()

    assert response.startswith(b"HTTP/1.1 413 ")
    assert not services["resumes"].received


async def test_a_body_below_the_minimum_rate_is_refused(make_gateway: MakeGateway, services: FakeServices) -> None:
    gateway = await make_gateway(BODY_GRACE="0.5", BODY_RATE="1000")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head("/api/resumes/", "Content-Length: 100000"))

    async def drip() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(10):
        response = await reader.readuntil(b"}")
    dripping.cancel()
    writer.close()

    assert response.startswith(b"HTTP/1.1 408 ")
    assert b'{"detail":"The request body arrived too slowly."}' in response
    assert not services["resumes"].received


@pytest.mark.usefixtures("briefly_draining")
async def test_a_streamed_body_that_stalls_is_refused(make_gateway: MakeGateway, services: FakeServices) -> None:
    gateway = await make_gateway(BODY_GRACE="0.5", BODY_RATE="1000000")
    sent = head("/api/resumes/", "Content-Length: 1000000", "Connection: close") + b"x" * 200_000
    response = await gateway.raw(sent)

    assert response.startswith(b"HTTP/1.1 408 ")
    assert not services["resumes"].received


async def test_a_slow_body_above_the_minimum_rate_is_accepted(
    make_gateway: MakeGateway, services: FakeServices
) -> None:
    gateway = await make_gateway(BODY_GRACE="0.5", BODY_RATE="1000")

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x" * 1000
            await asyncio.sleep(0.1)

    began = time.monotonic()
    response = await gateway.client.post("/api/resumes/", content=slowly())

    assert response.status_code == 200
    assert time.monotonic() - began > 0.5
    assert len(services["resumes"].received[0].body) == 8000


async def test_a_slow_client_does_not_exceed_the_read_timeout_of_the_service(
    make_gateway: MakeGateway, services: FakeServices
) -> None:
    gateway = await make_gateway(READ_TIMEOUT="0.7")

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(2):
            yield b"x" * 100_000
            await asyncio.sleep(0.8)

    response = await gateway.client.post("/api/resumes/", content=slowly())

    assert response.status_code == 200
    assert len(services["resumes"].received[0].body) == 200_000


async def test_a_client_disconnect_during_the_body_aborts_the_request_to_the_service(
    gateway: RunningGateway, services: FakeServices
) -> None:
    broken_off = asyncio.Event()

    async def read(request: web.Request) -> web.StreamResponse:
        try:
            await request.read()
        except (ConnectionError, web.HTTPException, asyncio.CancelledError):
            broken_off.set()
            raise
        return web.json_response({"complete": True})

    services["resumes"].respond = read
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head("/api/resumes/", "Content-Length: 900000") + b"x" * 500_000)
    await writer.drain()
    writer.close()

    async with asyncio.timeout(10):
        await broken_off.wait()


async def test_a_content_length_that_is_not_a_number_is_refused(
    gateway: RunningGateway, services: FakeServices
) -> None:
    response = await gateway.raw(head("/api/resumes/", "Content-Length: 1e3", "Connection: close"))

    assert response.startswith(b"HTTP/1.1 400 ")
    assert not services["resumes"].received
