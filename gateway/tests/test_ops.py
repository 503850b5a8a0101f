"""Access log, metrics, readiness and graceful shutdown."""

import asyncio

import httpx
import pytest
from aiohttp import web
from cv_testing.ports import is_free
from cv_testing.serving import eventually

from gateway.tests.conftest import MakeGateway
from gateway.tests.test_identity import SESSION_ID, bearer, cookie, signed
from gateway.tests.world import AuthKeys, FakeService, FakeServices, RunningGateway


async def access_line(gateway: RunningGateway, response: httpx.Response) -> dict[str, object]:
    request_id = response.headers["X-Request-Id"]
    await eventually(lambda: gateway.log(request_id))
    (line,) = gateway.log(request_id)
    return line


async def test_a_request_is_logged_as_one_json_line(gateway: RunningGateway) -> None:
    line = await access_line(gateway, await gateway.client.patch("/api/resumes/1/"))

    assert (line["method"], line["path"], line["status"]) == ("PATCH", "/api/resumes/{id}/", 200)
    assert line["service"] == "gateway"
    assert isinstance(line["ms"], float)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api/resumes/?email=john@secret.example", "/api/resumes/"),
        ("/api/resumes/john@secret.example/", "/api/resumes/{id}/"),
        ("/api/resumes/12/export_pdf/", "/api/resumes/{id}/export_pdf/"),
        ("/media/resumes/pdfs/secret-token/secret_doe_cv.pdf", "/media/resumes/pdfs/"),
        ("/media/resumes/pdfs/secret-token/secret%20doe.pdf", "unmatched"),
        ("/media/resumes/photos/secret-token.jpg", "/media/resumes/photos/"),
        ("/api/secret@secret.example/", "unmatched"),
        ("/media/templates/modern.png", "/media/templates/modern.png"),
    ],
)
async def test_the_access_log_contains_no_personal_data_and_no_private_file(
    gateway: RunningGateway, auth_keys: AuthKeys, path: str, shown: str
) -> None:
    headers = {**bearer(auth_keys.token()), **cookie(signed(SESSION_ID)), "User-Agent": "secret"}
    line = await access_line(gateway, await gateway.client.get(path, headers=headers))

    assert line["path"] == shown
    written = str(line)
    assert "secret" not in written
    assert "127.0.0.1" not in written
    assert SESSION_ID not in written


async def test_a_request_whose_client_disconnects_is_logged_once(
    gateway: RunningGateway, services: FakeServices
) -> None:
    received, release = asyncio.Event(), asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        await services["resumes"].record(request)
        received.set()
        await release.wait()
        return web.json_response({})

    services["resumes"].respond = wait
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"POST /api/resumes/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
    await received.wait()
    writer.close()
    await writer.wait_closed()
    release.set()

    request_id = services["resumes"].received[0].headers["X-Request-Id"]
    await eventually(lambda: gateway.log(request_id))
    assert [line["message"] for line in gateway.log(request_id)] == ["request"]


async def test_metrics_and_readiness_are_served_on_the_ops_port_only(gateway: RunningGateway) -> None:
    await gateway.client.get("/api/templates/")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.ops_port}") as ops:
        metrics = (await ops.get("/metrics")).text
        ready = await ops.get("/readyz")

    assert 'http_requests_total{method="GET",route="/api/templates/",status="200"}' in metrics
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "problems": {}})
    assert (await gateway.client.get("/metrics")).status_code == 404
    assert (await gateway.client.get("/readyz")).status_code == 404


async def test_the_gateway_is_not_ready_without_the_keys_of_auth(
    make_gateway: MakeGateway, auth_keys: AuthKeys
) -> None:
    auth = FakeService("auth", auth_keys)
    gateway = await make_gateway({"auth": auth}, wait=False)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.ops_port}") as ops:

        async def answers(status: int) -> bool:
            try:
                return (await ops.get("/readyz")).status_code == status
            except httpx.ConnectError:
                return False

        await eventually(lambda: answers(503))
        await auth.start()
        await eventually(lambda: answers(200))
    await auth.stop()


async def test_shutdown_waits_for_requests_in_progress(make_gateway: MakeGateway, services: FakeServices) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        begun.set()
        await release.wait()
        return web.json_response({"done": True})

    services["resumes"].respond = slow
    gateway = await make_gateway()
    asked = asyncio.create_task(gateway.client.post("/api/resumes/1/export_pdf/"))
    await begun.wait()
    stopping = asyncio.create_task(asyncio.to_thread(gateway.supervisor.stop))
    await eventually(lambda: is_free(gateway.port))
    release.set()

    assert (await asked).json() == {"done": True}
    await stopping
