"""Services that are down, slow or abort: timeouts, retries and concurrency limits."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress

import pytest
from aiohttp import web
from cv_common.kernel.identity import generate_keys
from cv_gateway.routing import Service
from cv_gateway.settings import Settings
from cv_gateway.upstream_client import UpstreamClient
from cv_testing.ports import free_port
from multidict import CIMultiDict
from yarl import URL

from gateway.tests.conftest import MakeGateway
from gateway.tests.world import SERVICES, SESSION_KEY, AuthKeys, FakeService, FakeServices, RunningGateway

UNAVAILABLE = {"detail": "Service temporarily unavailable, try again later."}
TIMED_OUT = {"detail": "The service did not answer in time, try again later."}


def settings(**changes: str) -> Settings:
    """Return the settings of a gateway. Unless `changes` has their URLs, all services are down."""
    nowhere = dict.fromkeys((f"{name.upper()}_URL" for name in SERVICES), "http://127.0.0.1:9")
    secrets = {"IDENTITY_PRIVATE_KEY": generate_keys()[0], "SESSION_KEYS": (SESSION_KEY,)}
    return Settings.model_validate({key.lower(): value for key, value in {**nowhere, **secrets, **changes}.items()})


@asynccontextmanager
async def opened(client: UpstreamClient) -> AsyncIterator[UpstreamClient]:
    await client.open()
    yield client
    await client.close()


async def abort(request: web.Request) -> web.StreamResponse:
    """Close the connection without a response."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_a_stopped_service_is_a_503_and_the_others_still_answer(
    make_gateway: MakeGateway, auth_keys: AuthKeys, method: str
) -> None:
    gateway = await make_gateway({"resumes": FakeService("resumes", auth_keys)})
    response = await gateway.client.request(method, "/api/resumes/1/", headers={"Origin": "https://cv.example"})

    assert response.status_code == 503
    assert response.json() == UNAVAILABLE
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Access-Control-Allow-Origin"] == "https://cv.example"
    assert (await gateway.client.get("/api/templates/")).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_failed_connect_is_retried_for_any_method(
    monkeypatch: pytest.MonkeyPatch, auth_keys: AuthKeys, method: str
) -> None:
    templates = FakeService("templates", auth_keys)

    async def come_up(_: float) -> None:
        await templates.start()

    monkeypatch.setattr("cv_gateway.upstream_client.sleep", come_up)
    async with opened(UpstreamClient(connect_timeout=1)) as client:
        service, headers = Service("templates", URL(templates.url)), CIMultiDict[str]()
        response = await client.send(service, method, "/api/templates/", headers, b"{}", read_timeout=5)
        response.release()
    await templates.stop()

    assert response.status == 200
    assert [each.method for each in templates.received] == [method]


async def test_a_silent_service_is_a_504(make_gateway: MakeGateway, services: FakeServices) -> None:
    gateway = await make_gateway(READ_TIMEOUT="0.4", EXPORT_TIMEOUT="10")
    release = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/export_pdf/"):
            await asyncio.sleep(0.8)
        else:
            await release.wait()
        return web.json_response({})

    services["resumes"].respond = wait
    silent = await gateway.client.get("/api/resumes/")
    export = await gateway.client.post("/api/resumes/1/export_pdf/")
    release.set()

    assert silent.status_code == 504
    assert silent.json() == TIMED_OUT
    assert int(silent.headers["Retry-After"]) > 0
    assert export.status_code == 200


@pytest.mark.parametrize(
    ("method", "read_timeout", "status", "requests"), [("GET", "2", 200, 2), ("POST", "0.5", 504, 1)]
)
async def test_only_an_unanswered_get_is_retried(
    make_gateway: MakeGateway, services: FakeServices, method: str, read_timeout: str, status: int, requests: int
) -> None:
    """The service may have vanished silently, with its connection still open."""
    gateway = await make_gateway(READ_TIMEOUT=read_timeout)
    release = asyncio.Event()
    received: list[str] = []

    async def ignore_the_first(request: web.Request) -> web.StreamResponse:
        received.append(request.method)
        if len(received) == 1:
            await release.wait()
        return web.json_response({})

    services["resumes"].respond = ignore_the_first
    response = await gateway.client.request(method, "/api/resumes/")
    release.set()
    assert (response.status_code, received) == (status, [method] * requests)


async def test_a_slow_response_does_not_cause_a_retry(make_gateway: MakeGateway, services: FakeServices) -> None:
    """A service may take more than half of the read timeout."""
    gateway = await make_gateway(READ_TIMEOUT="2")
    received: list[str] = []

    async def answer_slowly(request: web.Request) -> web.StreamResponse:
        received.append(request.method)
        await asyncio.sleep(1.2)
        return web.json_response({})

    services["resumes"].respond = answer_slowly
    response = await gateway.client.get("/api/resumes/")
    assert (response.status_code, received) == (200, ["GET"])


async def test_a_service_that_reads_no_body_is_a_504(make_gateway: MakeGateway, services: FakeServices) -> None:
    gateway = await make_gateway(READ_TIMEOUT="0.4")
    done = asyncio.Event()

    async def deaf(_: web.Request) -> web.StreamResponse:
        await done.wait()
        return web.json_response({})

    services["resumes"].respond = deaf
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await gateway.client.post("/api/resumes/", content=b"x" * 6 * 1024 * 1024, headers=form)
    done.set()
    assert (response.status_code, response.json()) == (504, TIMED_OUT)


async def test_a_slowly_read_response_does_not_time_out_the_next_request_of_its_connection(
    make_gateway: MakeGateway, services: FakeServices
) -> None:
    """The timeout of the first response must not continue on the reused connection."""
    gateway = await make_gateway(READ_TIMEOUT="1")

    async def long(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 4_000_000)

    services["renderer"].respond = long
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        readers = [stack.enter_context(socket.socket()) for _ in range(5)]
        for reader in readers:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            reader.setblocking(False)
            await loop.sock_connect(reader, ("127.0.0.1", gateway.port))
            request = b"GET /media/resumes/pdfs/token/cv.pdf HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            await loop.sock_sendall(reader, request)
        await asyncio.sleep(0.5)
        for reader in readers:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            while await loop.sock_recv(reader, 65536):
                pass
    services["renderer"].respond = None
    await asyncio.sleep(1.2)
    later = [await gateway.client.get("/media/resumes/pdfs/token/cv.pdf") for _ in range(5)]
    assert [answer.status_code for answer in later] == [200] * 5


async def test_concurrency_is_limited_per_service(make_gateway: MakeGateway, services: FakeServices) -> None:
    gateway = await make_gateway(REQUESTS_PER_SERVICE="3")
    release, full = asyncio.Event(), asyncio.Barrier(4)

    async def wait(_: web.Request) -> web.StreamResponse:
        await full.wait()
        await release.wait()
        return web.json_response({})

    services["resumes"].respond = wait
    held = [asyncio.create_task(gateway.client.get("/api/resumes/")) for _ in range(3)]
    async with asyncio.timeout(10):
        await full.wait()
    refused = await gateway.client.get("/api/resumes/")
    other = await gateway.client.get("/api/templates/")
    release.set()

    assert (refused.status_code, refused.json()) == (503, UNAVAILABLE)
    assert other.status_code == 200
    assert [(await each).status_code for each in held] == [200, 200, 200]
    services["resumes"].respond = None
    assert (await gateway.client.get("/api/resumes/")).status_code == 200


async def test_concurrency_is_limited_per_address(make_gateway: MakeGateway, services: FakeServices) -> None:
    gateway = await make_gateway(
        REQUESTS_PER_ADDRESS="3", RATE_LIMITS_ENABLED="true", TRUSTED_PROXIES='["127.0.0.0/8"]'
    )
    release, full = asyncio.Event(), asyncio.Barrier(4)
    mine, others = ({"X-Forwarded-For": f"192.0.2.{number}"} for number in (1, 2))

    async def wait(_: web.Request) -> web.StreamResponse:
        await full.wait()
        await release.wait()
        return web.json_response({})

    services["resumes"].respond = wait
    held = [asyncio.create_task(gateway.client.get("/api/resumes/", headers=mine)) for _ in range(3)]
    async with asyncio.timeout(10):
        await full.wait()
    services["resumes"].respond = None
    refused = await gateway.client.get("/api/resumes/", headers=mine)
    elsewhere = await gateway.client.get("/api/templates/", headers=mine)
    other = await gateway.client.get("/api/resumes/", headers=others)
    release.set()

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert [elsewhere.status_code, other.status_code] == [200, 200]
    assert [(await each).status_code for each in held] == [200, 200, 200]
    assert (await gateway.client.get("/api/resumes/", headers=mine)).status_code == 200


@pytest.mark.parametrize(
    ("held_path", "refused_path", "other_path"),
    [
        ("/api/payments/", "/api/payments/subscription/", "/api/payments/webhook/"),
        ("/api/payments/webhook/", "/api/payments/webhook/", "/api/payments/"),
    ],
)
async def test_webhooks_and_other_requests_have_separate_concurrency_limits(
    make_gateway: MakeGateway, services: FakeServices, held_path: str, refused_path: str, other_path: str
) -> None:
    gateway = await make_gateway(REQUESTS_PER_SERVICE="3", WEBHOOKS_AT_ONCE="3")
    release, full = asyncio.Event(), asyncio.Barrier(4)

    async def wait(_: web.Request) -> web.StreamResponse:
        await full.wait()
        await release.wait()
        return web.json_response({})

    services["payments"].respond = wait
    held = [asyncio.create_task(gateway.client.post(held_path)) for _ in range(3)]
    async with asyncio.timeout(10):
        await full.wait()
    services["payments"].respond = None
    refused = await gateway.client.post(refused_path)
    other = await gateway.client.post(other_path)
    release.set()

    assert (refused.status_code, refused.json()) == (503, UNAVAILABLE)
    assert other.status_code == 200
    assert [(await each).status_code for each in held] == [200, 200, 200]


async def test_webhooks_have_a_longer_timeout(make_gateway: MakeGateway, services: FakeServices) -> None:
    gateway = await make_gateway(READ_TIMEOUT="0.2", WEBHOOK_TIMEOUT="10")

    async def late(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.8)
        return web.json_response({})

    services["payments"].respond = late
    assert (await gateway.client.get("/api/payments/")).status_code == 504
    assert (await gateway.client.post("/api/payments/webhook/")).status_code == 200


async def test_requests_with_an_incomplete_body_do_not_count_as_in_progress(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(REQUESTS_PER_SERVICE="3")
    head = b"POST /api/resumes/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    async with AsyncExitStack() as stack:
        for _ in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            stack.callback(writer.close)
            writer.write(head)
            await writer.drain()
        responses = await asyncio.gather(*(gateway.client.get("/api/resumes/") for _ in range(3)))

    assert [response.status_code for response in responses] == [200, 200, 200]


@pytest.mark.operations
async def test_a_thousand_idle_connections_do_not_block_requests(gateway: RunningGateway) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(1_100):
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            stack.callback(writer.close)
        response = await gateway.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", until=b"\r\n\r\n")

    assert response.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_an_aborted_write_is_never_retried(gateway: RunningGateway, services: FakeServices, method: str) -> None:
    async def record_and_abort(request: web.Request) -> web.StreamResponse:
        await services["resumes"].record(request)
        return await abort(request)

    services["resumes"].respond = record_and_abort
    response = await gateway.client.request(method, "/api/resumes/1/", content=b"{}")

    assert response.status_code == 503
    assert len(services["resumes"].received) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_aborted_read_is_retried_once(gateway: RunningGateway, services: FakeServices, method: str) -> None:
    async def abort_first(request: web.Request) -> web.StreamResponse:
        await services["resumes"].record(request)
        if len(services["resumes"].received) == 1:
            return await abort(request)
        return web.json_response({"second": True})

    services["resumes"].respond = abort_first
    response = await gateway.client.request(method, "/api/resumes/1/")

    assert response.status_code == 200
    assert len(services["resumes"].received) == 2


async def test_writes_succeed_after_the_service_closed_idle_connections(
    make_gateway: MakeGateway, auth_keys: AuthKeys
) -> None:
    payments = FakeService("payments", auth_keys)
    await payments.start()
    gateway = await make_gateway({"payments": payments})
    for _ in range(5):
        responses = await asyncio.gather(*(gateway.client.post("/api/payments/webhook/") for _ in range(8)))
        assert {response.status_code for response in responses} == {200}
        # Closes all kept-alive connections of the gateway's pool, like a restart.
        await payments.stop()
        await payments.start()
    await payments.stop()


async def test_an_aborted_short_response_is_a_503(gateway: RunningGateway, services: FakeServices) -> None:
    async def tear(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 10)
        return await abort(request)

    services["resumes"].respond = tear
    answer = await gateway.client.get("/api/resumes/")

    assert (answer.status_code, answer.json()) == (503, UNAVAILABLE)


@pytest.mark.parametrize("length", ["Content-Length: 1000000", None])
async def test_an_aborted_long_response_is_recognizably_incomplete(
    gateway: RunningGateway, services: FakeServices, length: str | None
) -> None:
    async def tear(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if length:
            response.content_length = 1_000_000
        else:
            response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"x" * 100_000)
        return await abort(request)

    services["renderer"].respond = tear
    request = b"GET /media/resumes/pdfs/a/cv.pdf HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await gateway.raw(request)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"x") < 200_000
    assert not answer.endswith(b"0\r\n\r\n")


async def test_a_connect_timeout_is_a_503(make_gateway: MakeGateway, auth_keys: AuthKeys) -> None:
    with ExitStack() as stack:
        # The backlog of the listener is full: the kernel silently drops further connects.
        listener = stack.enter_context(socket.create_server(("127.0.0.1", free_port()), backlog=0))
        address = listener.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(address)
        silent = FakeService("resumes", auth_keys, port=address[1])
        gateway = await make_gateway({"resumes": silent}, CONNECT_TIMEOUT="0.3")
        async with asyncio.timeout(10):
            response = await gateway.client.post("/api/resumes/")

    assert (response.status_code, response.json()) == (503, UNAVAILABLE)
