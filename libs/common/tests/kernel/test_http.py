"""Calls to other services: responses, and failures to get one."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.http import ServiceClient
from cv_common.kernel.identity import IDENTITY_HEADER, Signer, Verifier, generate_keys
from cv_common.kernel.logs import request_id

PRIVATE, PUBLIC = generate_keys()

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Request:
    """A received request."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode().split("\r\n")
        self.method, self.path, _ = first.split(" ")
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
        self.body = body


async def read_request(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    return Request(head, await reader.readexactly(length))


def reply(status: int = 200, body: bytes = b"{}", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status} OK\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


class FakeService:
    """A service with a handler for each connection, in order; the last one handles all further connections."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.open = self.most_open = 0
        self.script: list[Handler] = [self.answer]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = self.script[min(self.connections, len(self.script) - 1)]
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def receive(self, reader: asyncio.StreamReader) -> None:
        self.requests.append(await read_request(reader))

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self.receive(reader)
            writer.write(reply(body=json.dumps({"number": len(self.requests)}).encode()))

    async def hang_up(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await self.receive(reader)

    async def interrupt(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.receive(reader)
        writer.write(reply(body=b"x" * 1000)[:-500])

    async def stay_silent(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await self.receive(reader)
        await reader.read()

    async def send_nonsense(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.receive(reader)
        writer.write(b"220 mail.example.com ESMTP\r\n\r\n")


@pytest.fixture
async def fake_service() -> AsyncIterator[tuple[FakeService, str]]:
    service = FakeService()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    async with server:
        yield service, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[ServiceClient]:
    client = ServiceClient("renderer", url, Signer("templates", PRIVATE))
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


@pytest.fixture
async def calls(fake_service: tuple[FakeService, str]) -> AsyncIterator[tuple[FakeService, ServiceClient]]:
    async with client_of(fake_service[1]) as client:
        yield fake_service[0], client


Calls = tuple[FakeService, ServiceClient]


async def test_a_call_sends_the_identity_and_the_request_id(calls: Calls) -> None:
    fake_service, client = calls
    token = request_id.set("request-1234")
    answer = await client.post("/internal/pdfs/", {"name": "é", "huge": 2**80})
    request_id.reset(token)
    assert (answer.status, answer.json()) == (200, {"number": 1})
    await client.get("/internal/templates/1/?a=b")

    post, get = fake_service.requests
    assert (post.method, post.path) == ("POST", "/internal/pdfs/")
    assert post.headers["content-type"] == "application/json"
    assert post.headers["x-request-id"] == "request-1234"
    assert json.loads(post.body) == {"name": "é", "huge": 2**80}
    caller = Verifier("renderer", {"templates": PUBLIC}).verify(post.headers[IDENTITY_HEADER.lower()])
    assert caller.issuer == "templates"
    assert (get.method, get.path, get.body) == ("GET", "/internal/templates/1/?a=b", b"")
    assert "x-request-id" not in get.headers
    assert fake_service.connections == 1, "the connection is kept"


@pytest.mark.parametrize("status", [204, 301, 400, 404, 500, 503])
async def test_every_status_is_returned(calls: Calls, status: int) -> None:
    fake_service, client = calls

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await fake_service.receive(reader)
        writer.write(reply(status, b"", "location: /elsewhere/\r\nretry-after: 7\r\nset-cookie: a=b\r\n"))

    fake_service.script = [say]
    answer = await client.get("/")
    assert (answer.status, answer.headers["Retry-After"]) == (status, "7")
    await client.get("/")
    assert [request.path for request in fake_service.requests] == ["/", "/"], "a redirection is not followed"
    assert "cookie" not in fake_service.requests[1].headers


@pytest.mark.parametrize("trouble", ["hang_up", "interrupt", "stay_silent"])
async def test_a_get_is_repeated_on_another_connection(calls: Calls, trouble: str) -> None:
    fake_service, client = calls
    fake_service.script = [getattr(fake_service, trouble), fake_service.answer]
    assert (await client.get("/", timeout=3)).json() == {"number": 2}


@pytest.mark.parametrize("trouble", ["hang_up", "interrupt", "stay_silent"])
async def test_an_idempotent_post_is_repeated_on_another_connection(calls: Calls, trouble: str) -> None:
    fake_service, client = calls
    fake_service.script = [getattr(fake_service, trouble), fake_service.answer]
    assert (await client.post("/", {}, timeout=3, idempotent=True)).json() == {"number": 2}
    assert [request.method for request in fake_service.requests] == ["POST", "POST"]


@pytest.mark.parametrize("trouble", ["hang_up", "interrupt", "send_nonsense"])
async def test_another_post_is_sent_once(calls: Calls, trouble: str) -> None:
    fake_service, client = calls
    fake_service.script = [getattr(fake_service, trouble), fake_service.answer]
    with pytest.raises(ServiceUnavailable) as unavailable:
        await client.post("/", {})
    assert len(fake_service.requests) == 1
    assert unavailable.value.body == {"detail": "The renderer service is not available, try again later."}
    assert unavailable.value.headers["Retry-After"].isdigit()


@pytest.mark.parametrize("trouble", ["hang_up", "interrupt", "send_nonsense"])
async def test_a_get_that_always_fails_is_unavailable(calls: Calls, trouble: str) -> None:
    fake_service, client = calls
    fake_service.script = [getattr(fake_service, trouble)]
    with pytest.raises(ServiceUnavailable):
        await client.get("/")
    assert len(fake_service.requests) <= 2


async def test_a_get_with_a_slow_response_is_sent_once(calls: Calls) -> None:
    fake_service, client = calls

    async def answer_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await fake_service.receive(reader)
        await asyncio.sleep(2.4)
        writer.write(reply())

    fake_service.script = [answer_slowly]
    assert (await client.get("/", timeout=4)).status == 200
    assert len(fake_service.requests) == 1


async def test_a_silent_service_receives_a_get_twice_and_a_post_once(calls: Calls) -> None:
    fake_service, client = calls
    fake_service.script = [fake_service.stay_silent]
    for call in (client.get("/", timeout=0.2), client.post("/", {}, timeout=0.2)):
        with pytest.raises(ServiceUnavailable):
            await call
    assert [request.method for request in fake_service.requests] == ["GET", "GET", "POST"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nobody.invalid", "http://[::1]:1"])
async def test_a_refused_connection_is_unavailable(url: str) -> None:
    async with client_of(url) as client:
        for call in (client.get("/"), client.post("/", {})):
            with pytest.raises(ServiceUnavailable):
                await call


async def test_the_client_is_healthy_although_the_service_is_down() -> None:
    async with client_of("http://127.0.0.1:1") as client:
        assert await client.check() is None


async def test_concurrent_calls_get_their_own_responses(calls: Calls) -> None:
    fake_service, client = calls
    answers: list[Any] = await asyncio.gather(*(client.get(f"/{number}", timeout=60) for number in range(200)))
    assert {answer.status for answer in answers} == {200}
    assert {request.path for request in fake_service.requests} == {f"/{number}" for number in range(200)}
    assert fake_service.most_open <= 64


async def test_a_restarted_service_is_reconnected(fake_service: tuple[FakeService, str]) -> None:
    service, url = fake_service
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(client_of(url))

        async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await service.receive(reader)
            writer.write(reply())

        service.script = [answer_once]  # keep-alive is promised, and the connection closed all the same
        for _ in range(20):
            assert (await client.get("/")).status == 200
