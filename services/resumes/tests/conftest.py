"""The real resumes service, with fakes of templates and the renderer."""

import itertools
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cv_common.drf.body import ParsedBody, partial, validate_partial
from cv_common.kernel.database import Database
from cv_common.kernel.media import Media
from cv_resumes.actions.context import Context
from cv_resumes.clients import ProfileSource, Renderer, Template, Templates
from cv_resumes.main import app
from cv_resumes.schemas.requests import ResumeBody, ResumeRequest
from cv_resumes.settings import Settings
from cv_testing.identity import IdentityKeys
from cv_testing.nats import Nats
from cv_testing.plugin import StartNats
from cv_testing.ports import free_port
from cv_testing.serving import serving
from cv_testing.supervisor import Program, responds, running
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

FREE, PREMIUM, INACTIVE = 1, 2, 4

_user_ids = itertools.count(1)


@dataclass
class FakeServices:
    """Templates 1 (free), 2 (premium) and 4 (inactive), and a renderer that records its requests.

    If `refusal` is set, a status and a body, the renderer answers with it.
    """

    rendered: list[dict[str, Any]] = field(default_factory=list)
    refusal: tuple[int, dict[str, Any]] | None = None
    default_template: int | None = FREE
    known: set[int] = field(default_factory=lambda: {FREE, PREMIUM, INACTIVE})
    premium: set[int] = field(default_factory=lambda: {PREMIUM})
    template_requests: int = 0

    async def template(self, request: Request) -> Response:
        self.template_requests += 1
        template_id = request.path_params.get("template_id", self.default_template)
        if template_id not in self.known:
            return JSONResponse({"detail": "Not found."}, status_code=404)
        return JSONResponse(
            {
                "id": template_id,
                "name": "One of three",
                "is_premium": template_id in self.premium,
                "is_active": template_id != INACTIVE,
                "version": "1",
                "template_html": "<p>{{ resume.full_name }}</p>",
                "template_css": "p { color: black }",
            }
        )

    async def render(self, request: Request) -> Response:
        asked = await request.json()
        self.rendered.append(asked)
        if self.refusal is not None:
            return JSONResponse(self.refusal[1], status_code=self.refusal[0])
        return JSONResponse({"path": f"/media/resumes/pdfs/token/{asked['file_name']}", "expires_at": "2026-01-01"})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/internal/templates/{template_id:int}/", self.template),
                Route("/internal/templates/default/", self.template),
                Route("/internal/pdfs/", self.render, methods=["POST"]),
            ]
        )


@pytest.fixture(scope="session")
async def fake_services() -> AsyncIterator[tuple[FakeServices, str]]:
    fakes = FakeServices()
    async with serving(fakes.app, {}) as client:
        yield fakes, str(client.base_url)


@pytest.fixture(scope="session")
def profile_source() -> Iterator[dict[str, str]]:
    """The LinkedIn sandbox as the source of profiles, and the settings that select it."""
    port, token = free_port(), "the-source's-token"
    program = Program(
        "linkedin",
        [sys.executable, "-m", "cv_linkedin_sandbox"],
        {**os.environ, "LINKEDIN_SANDBOX_PORT": str(port), "LINKEDIN_SANDBOX_TOKEN": token},
        lambda: responds(f"http://127.0.0.1:{port}/healthz"),
    )
    with running(program):
        yield {"LINKEDIN_SOURCE_URL": f"http://127.0.0.1:{port}/profiles", "LINKEDIN_SOURCE_TOKEN": token}


@pytest.fixture(scope="session")
def nats_server(start_nats: StartNats) -> Nats:
    """The NATS server of these tests."""
    return start_nats()


@pytest.fixture(scope="session")
def environment(
    service_database: Callable[[str], str],
    nats_server: Nats,
    identity_keys: IdentityKeys,
    fake_services: tuple[FakeServices, str],
    profile_source: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """The settings of the service."""
    return {
        **identity_keys.environment("resumes"),
        **nats_server.environment("resumes"),
        "DATABASE_URL": service_database("resumes"),
        "MEDIA_URL": tmp_path_factory.mktemp("media").as_uri(),
        "TEMPLATES_URL": fake_services[1],
        "RENDERER_URL": fake_services[1],
        "PUBLIC_BASE_URL": "http://localhost:8000",
        **profile_source,
    }


@pytest.fixture(scope="session")
async def resumes(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(app, environment) as client:
        yield client


class AnyTemplate(Templates):
    """Every template exists and is free."""

    def __init__(self) -> None:
        pass

    async def get(self, template_id: int, revision: int = 0) -> Template:  # noqa: ARG002 - the client's signature
        return Template(template_id, is_premium=False, is_active=True, version="1", html="", css="")


def new_resume(**fields: Any) -> ParsedBody[ResumeRequest]:
    """The body of a request that creates a resume."""
    minimum = {"template": 1, "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}
    return validate_partial({**minimum, **fields}, ResumeBody)


def edit(**fields: Any) -> ParsedBody[ResumeRequest]:
    """The body of a request that changes these fields of a resume."""
    return validate_partial(fields, partial(ResumeBody))


@pytest.fixture
def database_url(service_database: Callable[[str], str]) -> str:
    """A new database."""
    return service_database("resumes")


@pytest.fixture
def media_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new media store."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture
async def context(environment: dict[str, str], database_url: str, media_folder: Path) -> AsyncIterator[Context]:
    """The context of actions, with that database and that media store."""
    database = Database(database_url)
    await database.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = Settings()
    media = Media(media_folder.as_uri())
    renderer, profiles = Renderer.__new__(Renderer), ProfileSource.__new__(ProfileSource)
    yield Context(settings, database, AnyTemplate(), renderer, media, profiles)
    await database.stop()


@pytest.fixture
def user_id() -> int:
    """The id of a user that no other test uses."""
    return next(_user_ids)


@pytest.fixture
def user(identity_keys: IdentityKeys, user_id: int) -> dict[str, str]:
    """The identity headers of that user."""
    return identity_keys.user("resumes", user_id)


@pytest.fixture
def stranger(identity_keys: IdentityKeys) -> dict[str, str]:
    """The identity headers of a visitor without a session."""
    return identity_keys.stranger("resumes")
