"""The real templates service and its real command line, with a fake renderer."""

import json
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from cv_common.kernel.identity import IDENTITY_HEADER, Verifier
from cv_templates import cli
from cv_templates.main import app, compose
from cv_templates.settings import Settings
from cv_testing.identity import IdentityKeys
from cv_testing.nats import Nats
from cv_testing.plugin import ServiceDatabase
from cv_testing.serving import serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def png(shade: int) -> bytes:
    """A PNG of one gray pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(bytes([0, shade]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


@dataclass
class FakeRenderer:
    """Records the requests for thumbnails and answers each with another picture."""

    verifier: Verifier
    requests: list[dict[str, Any]] = field(default_factory=list)
    answered: int = 0
    failures: dict[str, Response] = field(default_factory=dict)
    """Other responses, by a word in the template's HTML."""

    async def thumbnail(self, request: Request) -> Response:
        assert self.verifier.verify(request.headers[IDENTITY_HEADER]).issuer == "templates"
        body = await request.json()
        for word, failure in self.failures.items():
            if word in body["template"]["html"]:
                return failure
        self.requests.append(body)
        self.answered += 1
        return Response(png(self.answered), media_type="image/png")

    def pop_rendered(self) -> list[str]:
        """The HTML of the templates that were rendered since the last call."""
        sources = [body["template"]["html"] for body in self.requests]
        self.requests.clear()
        return sources


@pytest.fixture
async def renderer_server(identity_keys: IdentityKeys) -> AsyncIterator[tuple[FakeRenderer, str]]:
    public_keys = json.loads(identity_keys.environment("renderer")["IDENTITY_PUBLIC_KEYS"])
    fake = FakeRenderer(Verifier("renderer", public_keys))
    routes = [Route("/internal/thumbnails/", fake.thumbnail, methods=["POST"])]
    async with serving(lambda: Starlette(routes=routes), {}) as client:
        yield fake, str(client.base_url)


@pytest.fixture
def renderer(renderer_server: tuple[FakeRenderer, str]) -> FakeRenderer:
    return renderer_server[0]


@pytest.fixture
def environment(
    service_database: ServiceDatabase,
    nats_server: Nats,
    identity_keys: IdentityKeys,
    renderer_server: tuple[FakeRenderer, str],
    tmp_path: Path,
) -> dict[str, str]:
    """The settings of a templates service with an empty database and an empty media store."""
    return {
        **identity_keys.environment("templates"),
        **nats_server.environment("templates"),
        "DATABASE_URL": service_database("templates"),
        "MEDIA_URL": (tmp_path / "media").as_uri(),
        "RENDERER_URL": renderer_server[1],
        "PUBLIC_BASE_URL": "http://localhost:8000",
    }


@pytest.fixture
async def templates(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(app, environment) as client:
        yield client


@pytest.fixture
def visitor(identity_keys: IdentityKeys) -> dict[str, str]:
    """The headers of the gateway for a visitor without an account."""
    return identity_keys.stranger("templates")


@pytest.fixture
def resumes(identity_keys: IdentityKeys) -> dict[str, str]:
    """The headers of the resumes service."""
    return identity_keys.service("templates", "resumes")


class CatalogFolder:
    """A catalog on disk that a test writes and changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.write_sample({"full_name": "Camille Laurent"})

    def write_sample(self, sample: Any) -> None:
        (self.path / "sample_resume.json").write_text(json.dumps(sample))

    def write(self, slug: str, *, html: str = "", **manifest: Any) -> None:
        """Write a template; `position` is the next one unless given."""
        folder = self.path / slug
        folder.mkdir(exist_ok=True)
        position = len([entry for entry in self.path.iterdir() if (entry / "template.toml").exists()]) + 1
        values = {"name": slug.title(), "description": "One", "is_premium": False, "position": position, **manifest}
        (folder / "template.toml").write_text("".join(f"{key} = {json.dumps(values[key])}\n" for key in values))
        (folder / "template.html").write_text(html or f"<h1>{slug}</h1>")
        (folder / "template.css").write_text(f".{slug} {{ color: black }}")


@pytest.fixture
def catalog(tmp_path: Path) -> CatalogFolder:
    """A catalog without templates."""
    return CatalogFolder(tmp_path / "catalog")


@dataclass(frozen=True)
class Loaded:
    """The exit code and output of the command."""

    code: int
    out: str
    err: str


Load = Callable[[Path], Awaitable[Loaded]]


@pytest.fixture
def load(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Load:
    """`cv-templates load FOLDER`, in this process."""

    async def run(folder: Path) -> Loaded:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            context, components = compose(Settings())
        async with AsyncExitStack() as stack:
            for component in components:
                await component.start()
                stack.push_async_callback(component.stop)
            out, err = StringIO(), StringIO()
            code = await cli.run(context, folder, out, err)
        return Loaded(code, out.getvalue(), err.getvalue())

    return run
