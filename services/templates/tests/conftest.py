"""The real templates service and its real command; the renderer's answers are given by a server of the tests' own."""

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
from cv_testing.plugin import ServiceDatabase
from cv_testing.serving import serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def png(shade: int) -> bytes:
    """A picture of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(bytes([0, shade]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


@dataclass
class Renderer:
    """Takes orders for thumbnails from templates only, remembers them, and delivers another picture each time."""

    verifier: Verifier
    orders: list[dict[str, Any]] = field(default_factory=list)
    delivered: int = 0
    refusals: dict[str, Response] = field(default_factory=dict)
    """Answers other than a picture, by a word in the template."""

    async def thumbnail(self, request: Request) -> Response:
        assert self.verifier.verify(request.headers[IDENTITY_HEADER]).issuer == "templates"
        order = await request.json()
        for word, refusal in self.refusals.items():
            if word in order["template"]["html"]:
                return refusal
        self.orders.append(order)
        self.delivered += 1
        return Response(png(self.delivered), media_type="image/png")

    def rendered(self) -> list[str]:
        """The sources of the templates that were rendered since this was last asked."""
        sources = [order["template"]["html"] for order in self.orders]
        self.orders.clear()
        return sources


@pytest.fixture
async def renderer(identity_keys: IdentityKeys) -> AsyncIterator[tuple[Renderer, str]]:
    public_keys = json.loads(identity_keys.environment("renderer")["IDENTITY_PUBLIC_KEYS"])
    them = Renderer(Verifier("renderer", public_keys))
    routes = [Route("/internal/thumbnails/", them.thumbnail, methods=["POST"])]
    async with serving(lambda: Starlette(routes=routes), {}) as client:
        yield them, str(client.base_url)


@pytest.fixture
def orders(renderer: tuple[Renderer, str]) -> Renderer:
    return renderer[0]


@pytest.fixture
def environment(
    service_database: ServiceDatabase, identity_keys: IdentityKeys, renderer: tuple[Renderer, str], tmp_path: Path
) -> dict[str, str]:
    """The settings of a templates service with an empty database and an empty media store."""
    return {
        **identity_keys.environment("templates"),
        "DATABASE_URL": service_database("templates"),
        "MEDIA_URL": (tmp_path / "media").as_uri(),
        "RENDERER_URL": renderer[1],
        "PUBLIC_BASE_URL": "http://localhost:8000",
    }


@pytest.fixture
async def templates(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(app, environment) as client:
        yield client


@pytest.fixture
def visitor(identity_keys: IdentityKeys) -> dict[str, str]:
    """What the gateway says of somebody who has no account."""
    return identity_keys.stranger("templates")


@pytest.fixture
def resumes(identity_keys: IdentityKeys) -> dict[str, str]:
    """What the resumes service says of itself."""
    return identity_keys.service("templates", "resumes")


class CatalogFolder:
    """A catalog on disk, to be written and changed by a test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.write_sample({"full_name": "Camille Laurent"})

    def write_sample(self, sample: Any) -> None:
        (self.path / "sample_resume.json").write_text(json.dumps(sample))

    def write(self, slug: str, *, html: str = "", **manifest: Any) -> None:
        """Write a template; `position` is the next one unless given."""
        place = self.path / slug
        place.mkdir(exist_ok=True)
        position = len([entry for entry in self.path.iterdir() if entry.is_dir()])
        facts = {"name": slug.title(), "description": "One", "is_premium": False, "position": position, **manifest}
        (place / "template.toml").write_text("".join(f"{key} = {json.dumps(facts[key])}\n" for key in facts))
        (place / "template.html").write_text(html or f"<h1>{slug}</h1>")
        (place / "template.css").write_text(f".{slug} {{ color: black }}")


@pytest.fixture
def catalog(tmp_path: Path) -> CatalogFolder:
    """A catalog without templates."""
    return CatalogFolder(tmp_path / "catalog")


@dataclass(frozen=True)
class Loaded:
    """How a run of the command ended."""

    code: int
    out: str
    err: str


Load = Callable[[Path], Awaitable[Loaded]]


@pytest.fixture
def load(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Load:
    """`cv-templates load FOLDER`, within this process."""

    async def run(folder: Path) -> Loaded:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            context, parts = compose(Settings())
        async with AsyncExitStack() as stack:
            for part in parts:
                await part.start()
                stack.push_async_callback(part.stop)
            out, err = StringIO(), StringIO()
            code = await cli.run(context, folder, out, err)
        return Loaded(code, out.getvalue(), err.getvalue())

    return run
