"""The catalog that is shipped, in the contract's words, with pictures made by the renderer itself."""

import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from cv_common.testing.identity import IdentityKeys
from cv_common.testing.nats import Nats
from cv_common.testing.plugin import ServiceDatabase
from cv_common.testing.ports import free_port
from cv_common.testing.processes import Program, answers, running
from cv_common.testing.serving import serving
from cv_templates.main import app
from PIL import Image

from services.templates.tests.conftest import Load

CATALOG = Path(__file__).parents[1] / "catalog"

# Section 2.1 of the contract, less `created_at`: when a template was first loaded is not ours to promise.
MODERN, CREATIVE, EXECUTIVE = EXAMPLES = [
    {
        "id": 1,
        "name": "Modern Professional",
        "description": "Un template moderne et épuré pour professionnels",
        "thumbnail": "http://localhost:8000/media/templates/modern_professional.png",
        "is_premium": False,
        "is_active": True,
    },
    {
        "id": 2,
        "name": "Creative Designer",
        "description": "Template coloré idéal pour les créatifs",
        "thumbnail": "http://localhost:8000/media/templates/creative_designer.png",
        "is_premium": True,
        "is_active": True,
    },
    {
        "id": 3,
        "name": "Executive Elite",
        "description": "Template premium pour cadres supérieurs",
        "thumbnail": "http://localhost:8000/media/templates/executive_elite.png",
        "is_premium": True,
        "is_active": True,
    },
]


@pytest.fixture
def real_renderer(
    service_database: ServiceDatabase, nats_server: Nats, identity_keys: IdentityKeys, tmp_path: Path
) -> Iterator[str]:
    """The renderer service in a process of its own."""
    port = free_port()
    environment = {
        **identity_keys.environment("renderer"),
        **nats_server.environment("renderer"),
        "DATABASE_URL": service_database("renderer"),
        "MEDIA_URL": (tmp_path / "renderer").as_uri(),
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "cv_renderer.main:app", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with running(Program("renderer", command, environment, lambda: answers(f"{url}/readyz"))):
        yield url


def without_creation(template: dict[str, Any]) -> dict[str, Any]:
    """A template less its `created_at`, which is seen to be a timestamp of the contract's format."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", template["created_at"])
    return {name: value for name, value in template.items() if name != "created_at"}


async def test_the_shipped_catalog_answers_the_contracts_examples(
    load: Load, environment: dict[str, str], visitor: dict[str, str], real_renderer: str
) -> None:
    environment["RENDERER_URL"] = real_renderer
    loaded = await load(CATALOG)
    assert loaded.code == 0, loaded.err
    async with serving(app, environment) as client:
        await expect_examples(client, visitor)
        await expect_pictures(client)


async def expect_examples(client: httpx.AsyncClient, visitor: dict[str, str]) -> None:
    for path, expected in [
        ("/api/templates/", EXAMPLES),
        ("/api/templates/free/", [MODERN]),
        ("/api/templates/premium/", [CREATIVE, EXECUTIVE]),
    ]:
        answer = await client.get(path, headers=visitor)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert [without_creation(template) for template in answer.json()] == expected

    one = without_creation((await client.get("/api/templates/1/", headers=visitor)).json())
    assert one == {
        **MODERN,
        "template_html": (CATALOG / "modern_professional" / "template.html").read_text(),
        "template_css": (CATALOG / "modern_professional" / "template.css").read_text(),
    }


async def expect_pictures(client: httpx.AsyncClient) -> None:
    pages = []
    for example in EXAMPLES:
        picture = await client.get(str(example["thumbnail"]).removeprefix("http://localhost:8000"))
        assert picture.headers["content-type"] == "image/png"
        page = Image.open(BytesIO(picture.content))
        assert page.format == "PNG"
        assert page.height / page.width == pytest.approx(297 / 210, abs=0.01)
        assert len(page.convert("L").getcolors() or []) > 50, "an empty page"
        pages.append(picture.content)
    assert len(set(pages)) == 3
