"""Forwarding of requests and relaying of responses."""

import asyncio
from contextlib import suppress

import pytest
from aiohttp import web

from gateway.tests.conftest import MakeGateway
from gateway.tests.world import FakeServices, RunningGateway


async def test_allowed_request_headers_are_forwarded(gateway: RunningGateway, services: FakeServices) -> None:
    said = {
        "Accept": "application/json",
        "Accept-Language": "fr",
        "Content-Type": "application/json; charset=utf-8",
        "Idempotency-Key": "abc",
        "If-Match": '"7"',
        "If-None-Match": '"8"',
        "Range": "bytes=0-9",
        "Stripe-Signature": "t=1,v1=abc",
    }
    await gateway.client.patch("/api/resumes/1/", headers=said, content=b'{"title": "x"}')

    (received,) = services["resumes"].received
    assert {name: received.headers[name] for name in said} == said
    assert received.body == b'{"title": "x"}'
    added = {name.lower() for name in received.headers} - {name.lower() for name in said}
    assert added == {"host", "x-identity", "x-request-id", "content-length"}


@pytest.mark.parametrize("status", [200, 201, 202, 400, 401, 403, 404, 405, 409, 412, 415, 429, 500, 503])
async def test_the_response_of_a_service_is_relayed(
    gateway: RunningGateway, services: FakeServices, status: int
) -> None:
    async def answer_so(_: web.Request) -> web.StreamResponse:
        headers = {"ETag": '"7"', "Link": "<x>; rel=next", "X-Total-Count": "12", "Retry-After": "3", "Allow": "GET"}
        return web.json_response({"é": 1}, status=status, headers=headers)

    services["resumes"].respond = answer_so
    response = await gateway.client.get("/api/resumes/")

    assert (response.status_code, response.json()) == (status, {"é": 1})
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.headers["ETag"] == '"7"'
    assert response.headers["X-Total-Count"] == "12"
    assert response.headers["Retry-After"] == "3"
    assert len(response.headers.get_list("Date")) == 1


@pytest.mark.parametrize("status", [204, 304])
async def test_a_response_without_a_body_is_relayed_without_one(
    gateway: RunningGateway, services: FakeServices, status: int
) -> None:
    async def nothing(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"ETag": '"7"'})

    services["resumes"].respond = nothing
    for _ in range(2):
        response = await gateway.client.get("/api/resumes/")
        assert (response.status_code, response.content, response.headers["ETag"]) == (status, b"", '"7"')
        assert "transfer-encoding" not in response.headers


async def test_a_redirect_is_relayed(gateway: RunningGateway, services: FakeServices) -> None:
    async def away(_: web.Request) -> web.StreamResponse:
        return web.Response(status=303, headers={"Location": "https://checkout.example/pay"})

    services["payments"].respond = away
    response = await gateway.client.post("/api/payments/create-checkout/")

    assert (response.status_code, response.headers["Location"]) == (303, "https://checkout.example/pay")


@pytest.mark.parametrize("size", [1, 65_536, 65_537, 5_000_000])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_response_of_any_length_is_relayed_completely(
    gateway: RunningGateway, services: FakeServices, size: int, chunked: bool
) -> None:
    content = (bytes(range(256)) * (size // 256 + 1))[:size]

    async def long(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = size
        await response.prepare(request)
        await response.write(content)
        await response.write_eof()
        return response

    services["renderer"].respond = long
    answer = await gateway.client.get("/media/resumes/pdfs/token/cv.pdf")

    assert answer.content == content
    assert answer.headers.get("Content-Length") == (None if chunked else str(size))


async def test_a_head_request_ignores_range(gateway: RunningGateway, services: FakeServices) -> None:
    async def file(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 5 if "Range" in request.headers else b"x" * 300_000)

    services["renderer"].respond = file
    response = await gateway.client.head("/media/resumes/pdfs/token/cv.pdf", headers={"Range": "bytes=0-4"})
    assert (response.status_code, response.content, response.headers["Content-Length"]) == (200, b"", "300000")


async def test_a_long_response_is_streamed(gateway: RunningGateway, services: FakeServices) -> None:
    first_half_arrived = asyncio.Event()

    async def halves(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "200000"})
        await response.prepare(request)
        await response.write(b"x" * 100_000)
        await first_half_arrived.wait()
        await response.write(b"x" * 100_000)
        return response

    services["renderer"].respond = halves
    received = 0
    async with gateway.client.stream("GET", "/media/resumes/pdfs/token/cv.pdf") as answer:
        async for chunk in answer.aiter_raw():
            received += len(chunk)
            if received >= 100_000:
                first_half_arrived.set()

    assert received == 200_000


async def test_a_client_disconnect_stops_a_long_response(gateway: RunningGateway, services: FakeServices) -> None:
    stopped = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 10_000)
        finally:
            stopped.set()

    services["renderer"].respond = endless
    async with gateway.client.stream("GET", "/media/resumes/pdfs/token/cv.pdf") as answer:
        async for _ in answer.aiter_raw():
            break

    async with asyncio.timeout(10):
        await stopped.wait()


async def test_a_client_that_stops_reading_is_disconnected(make_gateway: MakeGateway, services: FakeServices) -> None:
    gateway = await make_gateway(ANSWER_GRACE="0.5")
    stopped = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 10_000)
        finally:
            stopped.set()

    services["renderer"].respond = endless
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
    writer.write(b"GET /media/resumes/pdfs/token/cv.pdf HTTP/1.1\r\nHost: localhost\r\n\r\n")

    async with asyncio.timeout(10):
        await stopped.wait()
    writer.close()


async def test_a_client_that_reads_below_the_minimum_rate_is_disconnected(
    make_gateway: MakeGateway, services: FakeServices
) -> None:
    """Every single read is fast enough; the average rate is not."""
    gateway = await make_gateway(ANSWER_GRACE="0.5", BODY_RATE="100000000")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 100_000)

    services["renderer"].respond = endless
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET /media/resumes/pdfs/token/cv.pdf HTTP/1.1\r\nHost: localhost\r\n\r\n")
    pieces = 0
    async with asyncio.timeout(30):
        with suppress(ConnectionResetError):
            while await reader.read(100_000):
                pieces += 1
                await asyncio.sleep(0.02)
    writer.close()

    assert pieces > 10


async def test_a_head_request_of_a_long_file_returns_its_length_without_reading_it(
    gateway: RunningGateway, services: FakeServices
) -> None:
    async def long(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "5000000", "Content-Type": "application/pdf"})
        await response.prepare(request)
        await response.write(b"x" * 5_000_000)
        return response

    services["renderer"].respond = long
    answer = await gateway.client.head("/media/resumes/pdfs/token/cv.pdf")

    assert answer.headers["Content-Length"] == "5000000"
    assert answer.content == b""
    assert (await gateway.client.get("/api/templates/")).status_code == 200


async def test_an_early_response_reaches_a_client_that_is_still_sending(
    gateway: RunningGateway, services: FakeServices
) -> None:
    async def refuse_unread(_: web.Request) -> web.StreamResponse:
        return web.json_response({"detail": "no"}, status=400)

    services["resumes"].respond = refuse_unread
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await gateway.client.post("/api/resumes/", content=b"x" * 5_000_000, headers=form)

    assert (response.status_code, response.json()) == (400, {"detail": "no"})


async def test_all_hops_share_the_request_id(gateway: RunningGateway, services: FakeServices) -> None:
    response = await gateway.client.get("/api/resumes/", headers={"X-Request-Id": "chosen-outside"})

    request_id = response.headers["X-Request-Id"]
    assert services["resumes"].received[0].headers["X-Request-Id"] == request_id
    assert request_id != "chosen-outside"
    assert len(request_id) == 32
