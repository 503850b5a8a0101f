"""Calls between services: answers, and every way not to get one."""

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
    """A request as it came over the wire."""

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


class Neighbour:
    """A service that does what each test wants: its script has a handler for each connection, the last for all more."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.script: list[Handler] = [self.answer]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = self.script[min(self.connections, len(self.script) - 1)]
        self.connections += 1
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def take(self, reader: asyncio.StreamReader) -> None:
        self.requests.append(await read_request(reader))

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self.take(reader)
            writer.write(reply(body=json.dumps({"number": len(self.requests)}).encode()))

    async def hang_up(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await self.take(reader)

    async def break_off(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.take(reader)
        writer.write(reply(body=b"x" * 1000)[:-500])

    async def stay_silent(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await self.take(reader)
        await reader.read()

    async def talk_nonsense(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.take(reader)
        writer.write(b"220 mail.example.com ESMTP\r\n\r\n")


@pytest.fixture
async def neighbour() -> AsyncIterator[tuple[Neighbour, str]]:
    them = Neighbour()
    server = await asyncio.start_server(them.serve, "127.0.0.1", 0)
    async with server:
        yield them, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[ServiceClient]:
    client = ServiceClient("renderer", url, Signer("templates", PRIVATE))
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


@pytest.fixture
async def calls(neighbour: tuple[Neighbour, str]) -> AsyncIterator[tuple[Neighbour, ServiceClient]]:
    async with client_of(neighbour[1]) as client:
        yield neighbour[0], client


Calls = tuple[Neighbour, ServiceClient]


async def test_a_call_says_who_calls_and_for_which_request(calls: Calls) -> None:
    neighbour, client = calls
    token = request_id.set("request-1234")
    answer = await client.post("/internal/pdfs/", {"name": "é", "huge": 2**80})
    request_id.reset(token)
    assert (answer.status, answer.json()) == (200, {"number": 1})
    await client.get("/internal/templates/1/?a=b")

    post, get = neighbour.requests
    assert (post.method, post.path) == ("POST", "/internal/pdfs/")
    assert post.headers["content-type"] == "application/json"
    assert post.headers["x-request-id"] == "request-1234"
    assert json.loads(post.body) == {"name": "é", "huge": 2**80}
    caller = Verifier("renderer", {"templates": PUBLIC}).verify(post.headers[IDENTITY_HEADER.lower()])
    assert caller.issuer == "templates"
    assert (get.method, get.path, get.body) == ("GET", "/internal/templates/1/?a=b", b"")
    assert "x-request-id" not in get.headers
    assert neighbour.connections == 1, "the connection is kept"


@pytest.mark.parametrize("status", [204, 301, 400, 404, 500, 503])
async def test_any_status_is_an_answer(calls: Calls, status: int) -> None:
    neighbour, client = calls

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await neighbour.take(reader)
        writer.write(reply(status, b"", "location: /elsewhere/\r\nretry-after: 7\r\nset-cookie: a=b\r\n"))

    neighbour.script = [say]
    answer = await client.get("/")
    assert (answer.status, answer.headers["Retry-After"]) == (status, "7")
    await client.get("/")
    assert [request.path for request in neighbour.requests] == ["/", "/"], "a redirection is not followed"
    assert "cookie" not in neighbour.requests[1].headers


@pytest.mark.parametrize("trouble", ["hang_up", "break_off", "stay_silent"])
async def test_a_read_is_tried_again_on_another_connection(calls: Calls, trouble: str) -> None:
    neighbour, client = calls
    neighbour.script = [getattr(neighbour, trouble), neighbour.answer]
    assert (await client.get("/", timeout=3)).json() == {"number": 2}


@pytest.mark.parametrize("trouble", ["hang_up", "break_off", "stay_silent"])
async def test_an_idempotent_write_is_tried_again_on_another_connection(calls: Calls, trouble: str) -> None:
    neighbour, client = calls
    neighbour.script = [getattr(neighbour, trouble), neighbour.answer]
    assert (await client.post("/", {}, timeout=3, idempotent=True)).json() == {"number": 2}
    assert [request.method for request in neighbour.requests] == ["POST", "POST"]


@pytest.mark.parametrize("trouble", ["hang_up", "break_off", "talk_nonsense"])
async def test_a_write_is_sent_once(calls: Calls, trouble: str) -> None:
    neighbour, client = calls
    neighbour.script = [getattr(neighbour, trouble), neighbour.answer]
    with pytest.raises(ServiceUnavailable) as unavailable:
        await client.post("/", {})
    assert len(neighbour.requests) == 1
    assert unavailable.value.body == {"detail": "The renderer service is not available, try again later."}
    assert unavailable.value.headers["Retry-After"].isdigit()


@pytest.mark.parametrize("trouble", ["hang_up", "break_off", "talk_nonsense"])
async def test_a_read_that_always_breaks_is_unavailable(calls: Calls, trouble: str) -> None:
    neighbour, client = calls
    neighbour.script = [getattr(neighbour, trouble)]
    with pytest.raises(ServiceUnavailable):
        await client.get("/")
    assert len(neighbour.requests) <= 2


async def test_a_read_that_is_answered_slowly_is_sent_once(calls: Calls) -> None:
    neighbour, client = calls

    async def answer_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await neighbour.take(reader)
        await asyncio.sleep(2.4)
        writer.write(reply())

    neighbour.script = [answer_slowly]
    assert (await client.get("/", timeout=4)).status == 200
    assert len(neighbour.requests) == 1


async def test_a_silent_service_is_sent_a_read_twice_and_a_write_once(calls: Calls) -> None:
    neighbour, client = calls
    neighbour.script = [neighbour.stay_silent]
    for call in (client.get("/", timeout=0.2), client.post("/", {}, timeout=0.2)):
        with pytest.raises(ServiceUnavailable):
            await call
    assert [request.method for request in neighbour.requests] == ["GET", "GET", "POST"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nobody.invalid", "http://[::1]:1"])
async def test_nobody_there(url: str) -> None:
    async with client_of(url) as client:
        for call in (client.get("/"), client.post("/", {})):
            with pytest.raises(ServiceUnavailable):
                await call


async def test_a_neighbour_that_is_down_is_its_own_problem() -> None:
    async with client_of("http://127.0.0.1:1") as client:
        assert await client.check() is None


async def test_many_calls_at_once_are_each_answered(calls: Calls) -> None:
    neighbour, client = calls
    answers: list[Any] = await asyncio.gather(*(client.get(f"/{number}", timeout=60) for number in range(200)))
    assert {answer.status for answer in answers} == {200}
    assert {request.path for request in neighbour.requests} == {f"/{number}" for number in range(200)}
    assert neighbour.connections <= 64


async def test_a_restarted_neighbour_is_found_again(neighbour: tuple[Neighbour, str]) -> None:
    them, url = neighbour
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(client_of(url))

        async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await them.take(reader)
            writer.write(reply())

        them.script = [answer_once]  # keep-alive is promised, and the connection closed all the same
        for _ in range(20):
            assert (await client.get("/")).status == 200
