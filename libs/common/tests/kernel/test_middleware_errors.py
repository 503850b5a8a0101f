"""Errors on a real server: bugs, interrupted responses and client disconnects."""

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest
from cv_common.app import create_app
from cv_common.drf.body import read_data
from cv_common.kernel.metrics import REQUESTS
from cv_common.kernel.responses import JSONResponse
from cv_common.kernel.settings import ServiceSettings
from cv_testing.identity import IdentityKeys
from cv_testing.serving import eventually, serving
from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse


def troubled_router() -> APIRouter:
    router = APIRouter(prefix="/api/notes")

    @router.post("/")
    async def read(request: Request) -> Response:
        return JSONResponse(await read_data(request))

    @router.get("/bug/")
    async def bug() -> Response:
        raise RuntimeError("secret detail")

    @router.get("/half/")
    async def half() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half of it"
            raise RuntimeError("secret detail")

        return StreamingResponse(parts())

    @router.get("/afterwards/")
    async def afterwards() -> Response:
        async def fail() -> None:
            raise RuntimeError("secret detail")

        return Response(b"all of it", background=BackgroundTask(fail))

    return router


@pytest.fixture
async def notes(identity_keys: IdentityKeys) -> AsyncIterator[httpx.AsyncClient]:
    environment = identity_keys.environment("resumes")
    async with serving(lambda: create_app("resumes", ServiceSettings(), [troubled_router()]), environment) as client:
        client.headers.update(identity_keys.stranger("resumes"))
        yield client


def troubles(log: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages of warnings and errors."""
    return [record.getMessage() for record in log.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("path", "status", "messages"),
    [("bug", 500, ["unexpected error", "request"]), ("afterwards", 200, ["unexpected error"])],
)
async def test_a_bug_leaves_the_connection_open(
    notes: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, path: str, status: int, messages: list[str]
) -> None:
    visitors = []
    for _ in range(3):
        async with notes.stream("GET", f"/api/notes/{path}/") as answer:
            visitors.append(answer.extensions["network_stream"].get_extra_info("client_addr"))
            await answer.aread()
        assert answer.status_code == status
        await eventually(lambda: troubles(caplog) == messages * len(visitors))
    assert len(set(visitors)) == 1


async def test_an_interrupted_response_is_detected_by_the_client(
    notes: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await notes.get("/api/notes/half/")
    assert troubles(caplog)[0] == "unexpected error"


def disconnects() -> float:
    """Return the number of requests during which the client disconnected."""
    return float(REQUESTS.labels("POST", "/api/notes/", "499")._value.get())


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_a_client_disconnect_is_not_an_error(
    notes: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, identity_keys: IdentityKeys, media_type: str
) -> None:
    before = disconnects()
    headers = {**identity_keys.stranger("resumes"), "Host": "notes", "Content-Type": media_type, "Content-Length": "99"}
    _, writer = await asyncio.open_connection(notes.base_url.host, notes.base_url.port)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"POST /api/notes/ HTTP/1.1\r\n{head}\r\n--x".encode())
    await writer.drain()
    writer.close()
    await eventually(lambda: disconnects() == before + 1)
    assert troubles(caplog) == []
