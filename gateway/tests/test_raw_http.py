"""Invalid and ambiguous HTTP (request smuggling), sent as raw bytes."""

import asyncio

import pytest
from aiohttp import web

from gateway.tests.world import FakeServices, RunningGateway

CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"
SMUGGLED = b"GET /internal/resumes/1/ HTTP/1.1\r\nHost: localhost\r\n\r\n"


def request(*lines: str, method: str = "POST", body: bytes = b"") -> bytes:
    return "\r\n".join([f"{method} /api/resumes/ HTTP/1.1", *lines, "Connection: close", "", ""]).encode() + body


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(request("Host: a", "Host: b", method="GET"), id="two hosts"),
        pytest.param(request("Host: a", "Host: a", method="GET"), id="two equal hosts"),
        pytest.param(request("Host: a, b", method="GET"), id="two hosts in one"),
        pytest.param(request(method="GET"), id="no host"),
        pytest.param(request("Host: a", "X: y", " z", method="GET"), id="folded header"),
        pytest.param(request("Host: a", "X : y", method="GET"), id="space before the colon"),
        pytest.param(request("Host: a", "Content-Length: 4", "Content-Length: 5", body=b"hello"), id="two lengths"),
        pytest.param(request("Host: a", "Content-Length: 4, 5", body=b"hello"), id="two lengths in one"),
        pytest.param(request("Host: a", "Content-Length: +5", body=b"hello"), id="signed length"),
        pytest.param(request("Host: a", "Content-Length: -5", body=b"hello"), id="negative length"),
        pytest.param(request("Host: a", "Transfer-Encoding: xchunked", body=CHUNKED), id="unknown coding"),
        pytest.param(request("Host: a", "Transfer-Encoding: chunked, identity", body=CHUNKED), id="chunked not last"),
        pytest.param(request("Host: a", "Transfer-Encoding: \x0bchunked", body=CHUNKED), id="control in coding"),
        pytest.param(request("Host: a", "Transfer-Encoding: chunked", body=b"5;\n\rhello"), id="broken chunk"),
        pytest.param(request("Host: a", "Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\n"), id="huge chunk"),
        pytest.param(b"POST /api/resumes/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED, id="1.0 chunked"),
        pytest.param(b"GET /api/resumes/ HTTP/9.9\r\nHost: a\r\n\r\n", id="unknown version"),
        pytest.param(b"GET /api/resumes/\r\n\r\n", id="no version"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
    ],
)
async def test_invalid_http_is_not_forwarded(gateway: RunningGateway, services: FakeServices, sent: bytes) -> None:
    response = await gateway.raw(sent)

    assert response == b"" or response.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert not services["resumes"].received


@pytest.mark.parametrize("where", ["Idempotency-Key: {}", "Cookie: a={}", "X-Nobody-Reads-This: {}"])
async def test_oversized_headers_are_refused(gateway: RunningGateway, services: FakeServices, where: str) -> None:
    response = await gateway.raw(request("Host: a", where.format("x" * 40_000), method="GET"))

    assert response.startswith(b"HTTP/1.1 431 ")
    assert not services["resumes"].received


async def test_expect_100_continue_is_answered(gateway: RunningGateway, services: FakeServices) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request("Host: a", "Content-Length: 5", "Expect: 100-continue"))
    async with asyncio.timeout(10):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"hello")
        assert b"HTTP/1.1 200 " in await reader.read()
    writer.close()

    assert services["resumes"].received[0].body == b"hello"


async def test_content_length_with_chunks_is_one_request_and_closes_the_connection(
    gateway: RunningGateway, services: FakeServices
) -> None:
    head = "POST /api/resumes/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = await gateway.raw(head.encode() + CHUNKED + SMUGGLED)

    assert response.count(b"HTTP/1.1 ") == 1
    (received,) = services["resumes"].received
    assert received.body == b"hello"
    assert ("Content-Length" in received.headers) != ("Transfer-Encoding" in received.headers)


async def test_a_request_inside_a_body_is_forwarded_as_body(gateway: RunningGateway, services: FakeServices) -> None:
    sent = request("Host: a", f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED)
    response = await gateway.raw(sent)

    assert response.count(b"HTTP/1.1 ") == 1
    assert [each.body for each in services["resumes"].received] == [SMUGGLED]


async def test_bare_line_feeds_are_accepted(gateway: RunningGateway, services: FakeServices) -> None:
    response = await gateway.raw(b"GET /api/resumes/ HTTP/1.1\nHost: a\nAccept: x\nConnection: close\n\n")

    assert response.startswith(b"HTTP/1.1 200 ")
    (received,) = services["resumes"].received
    assert received.headers["Accept"] == "x"
    assert received.headers["X-Identity"]


async def test_requests_on_one_connection_are_answered_in_order(
    gateway: RunningGateway, services: FakeServices
) -> None:
    async def by_number(request: web.Request) -> web.StreamResponse:
        return web.Response(text=f"<{request.query['n']}>")

    services["resumes"].respond = by_number
    sent = b"".join(f"GET /api/resumes/?n={n} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for n in range(5))
    response = await gateway.raw(sent + b"GET /api/resumes/?n=5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert [response.index(f"<{n}>".encode()) for n in range(6)] == sorted(
        response.index(f"<{n}>".encode()) for n in range(6)
    )


async def test_concurrent_responses_are_never_swapped(gateway: RunningGateway, services: FakeServices) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(int(request.query["n"]) % 3 / 100)
        return web.json_response({"n": request.query["n"], "body": (await request.read()).decode()})

    services["resumes"].respond = echo

    async def ask(n: int) -> bool:
        response = await gateway.client.post(f"/api/resumes/?n={n}", content=str(n) * 100)
        return bool(response.json() == {"n": str(n), "body": str(n) * 100})

    assert all(await asyncio.gather(*(ask(n) for n in range(60))))
