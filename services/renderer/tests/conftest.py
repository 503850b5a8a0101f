"""Fixtures: the worker pool, the service with PostgreSQL, NATS and a media folder, and the catalog's templates."""

import io
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cv_renderer.domain.documents import clean_document
from cv_renderer.engine.worker import JobLimits
from cv_renderer.engine.worker_pool import WorkerPool
from cv_renderer.main import app
from cv_testing.identity import IdentityKeys
from cv_testing.nats import Nats
from cv_testing.plugin import StartNats
from cv_testing.serving import serving
from jinja2 import Environment, FileSystemLoader
from PIL import Image

CATALOG = Path(__file__).parents[2] / "templates" / "catalog"
TEMPLATES = sorted(path.parent.name for path in CATALOG.glob("*/template.toml"))

_resume_ids = itertools.count(1)


@dataclass(frozen=True)
class CatalogTemplate:
    """The sources of a template of the catalog."""

    html: str
    css: str


@pytest.fixture(scope="session")
def catalog() -> dict[str, CatalogTemplate]:
    """Return the catalog's templates by name, with the shared files that they extend and include."""
    loader = Environment(
        loader=FileSystemLoader(CATALOG),
        block_start_string="<%", block_end_string="%>",
        variable_start_string="<%=", variable_end_string="=%>",
        comment_start_string="<%#", comment_end_string="#%>",
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=True,
    )  # fmt: skip
    return {
        name: CatalogTemplate(*(loader.get_template(f"{name}/template.{kind}").render() for kind in ("html", "css")))
        for name in TEMPLATES
    }


@pytest.fixture(params=TEMPLATES)
def template(request: pytest.FixtureRequest, catalog: dict[str, CatalogTemplate]) -> CatalogTemplate:
    """Return each template of the catalog in turn."""
    return catalog[request.param]


@pytest.fixture(scope="session")
def sample() -> dict[str, Any]:
    """Return the catalog's sample resume."""
    return clean_document(json.loads((CATALOG / "sample_resume.json").read_bytes()))


@pytest.fixture(scope="session")
def minimal() -> dict[str, Any]:
    """Return the least a resume has: a name and an email address."""
    return {"full_name": "Marie Dubois", "email": "marie.dubois@example.com"}


@pytest.fixture(scope="session")
def three_pages(sample: dict[str, Any]) -> dict[str, Any]:
    """Return the sample with jobs for three pages."""
    jobs = [
        {**sample["experiences"][0], "position": f"Poste {number}", "start_date": f"{1990 + number}-01-01"}
        for number in range(14)
    ]
    return {**sample, "experiences": jobs}


@pytest.fixture(scope="session")
def photo() -> bytes:
    """Return a small JPEG."""
    file = io.BytesIO()
    Image.new("RGB", (40, 40), "teal").save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="session")
async def pool() -> AsyncIterator[WorkerPool]:
    """Yield a started worker pool with limits that suit a busy machine."""
    pool = WorkerPool(queue_timeout=120, limits=JobLimits(cpu_seconds=60, wall_seconds=120))
    await pool.start()
    yield pool
    await pool.stop()


@pytest.fixture(scope="session")
def media_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the media folder of the service under test."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def nats_server(start_nats: StartNats) -> Nats:
    """Return a NATS server for these tests only."""
    return start_nats()


@pytest.fixture(scope="session")
def environment(
    service_database: Callable[[str], str], nats_server: Nats, identity_keys: IdentityKeys, media_folder: Path
) -> dict[str, str]:
    """Return the settings of the service under test."""
    return {
        **identity_keys.environment("renderer"),
        **nats_server.environment("renderer"),
        "DATABASE_URL": service_database("renderer"),
        "MEDIA_URL": media_folder.as_uri(),
    }


@pytest.fixture(scope="session")
async def renderer(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the service."""
    async with serving(app, environment) as client:
        yield client


@pytest.fixture
def as_resumes(identity_keys: IdentityKeys) -> dict[str, str]:
    """Return the identity headers of the resumes service."""
    return identity_keys.service("renderer", "resumes")


@pytest.fixture
def pdf_request(catalog: dict[str, CatalogTemplate], minimal: dict[str, Any]) -> dict[str, Any]:
    """Return a request for a PDF of a resume that no other test uses."""
    template = catalog["modern_professional"]
    return {
        "resume_id": next(_resume_ids),
        "file_name": "marie_dubois_cv_20251029.pdf",
        "template": {"id": 1, "version": "1", "html": template.html, "css": template.css},
        "document": dict(minimal),
        "language": "fr",
        "watermark": False,
        "photo": None,
    }
