"""Access log, metrics, readiness and graceful shutdown."""

import asyncio

import httpx
from aiohttp import web
from cv_testing.ports import is_free
from cv_testing.serving import eventually

from gateway.tests.credentials import SESSION_ID, bearer, cookie, signed
from gateway.tests.world import AuthKeys, FakeService, FakeServices, GatewayProcess, gateway_process


async def access_line(gateway: GatewayProcess, response: httpx.Response) -> dict[str, object]:
    request_id = response.headers["X-Request-Id"]
    await eventually(lambda: gateway.log(request_id))
    (line,) = gateway.log(request_id)
    return line


async def test_a_request_is_logged_as_one_json_line(gateway: GatewayProcess) -> None:
    line = await access_line(gateway, await gateway.client.patch("/api/resumes/1/"))

    assert (line["method"], line["path"], line["status"]) == ("PATCH", "/api/resumes/{id}/", 200)
    assert line["service"] == "gateway"
    assert isinstance(line["ms"], float)


async def test_the_access_log_contains_no_personal_data_and_no_private_file(
    gateway: GatewayProcess, auth_keys: AuthKeys
) -> None:
    shown = {
        "/api/resumes/?email=john@secret.example": "/api/resumes/",
        "/api/resumes/john@secret.example/": "/api/resumes/{id}/",
        "/api/resumes/12/export_pdf/": "/api/resumes/{id}/export_pdf/",
        "/media/resumes/pdfs/secret-token/secret_doe_cv.pdf": "/media/resumes/pdfs/",
        "/media/resumes/pdfs/secret-token/secret%20doe.pdf": "unmatched",
        "/media/resumes/photos/secret-token.jpg": "/media/resumes/photos/",
        "/api/secret@secret.example/": "unmatched",
        "/media/templates/modern.png": "/media/templates/modern.png",
    }
    headers = {**bearer(auth_keys.token()), **cookie(signed(SESSION_ID)), "User-Agent": "secret"}
    responses = [await gateway.client.get(path, headers=headers) for path in shown]
    lines = [await access_line(gateway, response) for response in responses]

    assert [line["path"] for line in lines] == list(shown.values())
    written = str(lines)
    assert "secret" not in written
    assert "127.0.0.1" not in written
    assert SESSION_ID not in written


async def test_a_request_whose_client_disconnects_is_logged_once(
    gateway: GatewayProcess, services: FakeServices
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


async def test_metrics_and_readiness_are_served_on_the_ops_port_only(gateway: GatewayProcess) -> None:
    await gateway.client.get("/api/templates/")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.ops_port}") as ops:
        metrics = (await ops.get("/metrics")).text
        ready = await ops.get("/readyz")

    assert 'http_requests_total{method="GET",route="/api/templates/",status="200"}' in metrics
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "problems": {}})
    assert (await gateway.client.get("/metrics")).status_code == 404
    assert (await gateway.client.get("/readyz")).status_code == 404


async def test_the_gateway_is_not_ready_without_the_keys_of_auth(services: FakeServices, auth_keys: AuthKeys) -> None:
    auth = FakeService("auth", auth_keys)
    async with gateway_process({**services, "auth": auth}, wait=False) as gateway, httpx.AsyncClient() as ops:

        async def answers(status: int) -> bool:
            return (await ops.get(f"http://127.0.0.1:{gateway.ops_port}/readyz")).status_code == status

        await eventually(lambda: answers(503), despite=(httpx.ConnectError,))
        await auth.start()
        await eventually(lambda: answers(200))
    await auth.stop()


async def test_shutdown_waits_for_requests_in_progress(services: FakeServices) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        begun.set()
        await release.wait()
        return web.json_response({"done": True})

    services["resumes"].respond = slow
    async with gateway_process(services) as gateway:
        asked = asyncio.create_task(gateway.client.post("/api/resumes/1/export_pdf/"))
        await begun.wait()
        stopping = asyncio.create_task(asyncio.to_thread(gateway.supervisor.stop))
        await eventually(lambda: is_free(gateway.port))
        release.set()

        assert (await asked).json() == {"done": True}
        await stopping
