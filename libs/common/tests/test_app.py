"""The app of a service: responses without a route, OpenAPI and settings."""

from typing import Annotated

import httpx
import pytest
from cv_common.app import create_app
from cv_common.drf.body import BodyReader, RequestBody
from cv_common.drf.openapi import openapi_extra
from cv_common.kernel.settings import ServiceSettings, SystemSettings
from cv_testing.identity import IdentityKeys
from cv_testing.serving import serving
from fastapi import APIRouter, Depends
from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp


class NoteBody(RequestBody):
    text: str


@pytest.fixture
def client(identity_keys: IdentityKeys, monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    router = APIRouter(prefix="/api/notes", tags=["notes"])

    @router.get("/{note_id:int}/")
    async def read(note_id: int) -> Response:
        return Response(b"")

    @router.patch("/{note_id:int}/", openapi_extra=openapi_extra())
    async def change(note_id: int, body: Annotated[NoteBody, Depends(BodyReader(NoteBody))]) -> Response:
        return Response(b"")

    for name, value in identity_keys.environment("resumes").items():
        monkeypatch.setenv(name, value)
    app = create_app("resumes", ServiceSettings(), [router])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://resumes")


async def test_405_allows_every_method_of_the_path(client: httpx.AsyncClient, identity_keys: IdentityKeys) -> None:
    answer = await client.put("/api/notes/1/", headers=identity_keys.stranger("resumes"))
    assert (answer.status_code, answer.json()) == (405, {"detail": 'Method "PUT" not allowed.'})
    assert answer.headers["Allow"] == "GET, PATCH, HEAD, OPTIONS"


async def test_options_describes_the_endpoint(client: httpx.AsyncClient, identity_keys: IdentityKeys) -> None:
    answer = await client.options("/api/notes/1/", headers=identity_keys.stranger("resumes"))
    assert (answer.status_code, answer.headers["Allow"]) == (200, "GET, PATCH, HEAD, OPTIONS")
    assert set(answer.json()) == {"name", "description", "renders", "parses"}


async def test_404_has_the_contracts_body(client: httpx.AsyncClient, identity_keys: IdentityKeys) -> None:
    for path in ("/api/notes/x/", "/api/nowhere/"):
        answer = await client.get(path, headers=identity_keys.stranger("resumes"))
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


async def test_openapi_describes_bodies(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operation = document["paths"]["/api/notes/{note_id}/"]["patch"]
    reference = {"$ref": "#/components/schemas/NoteBody"}
    assert operation["requestBody"]["content"]["application/json"] == {"schema": reference}
    assert operation["tags"] == ["notes"]
    assert "422" not in operation["responses"]
    assert list(document["components"]["schemas"]["NoteBody"]["properties"]) == ["text"]


async def test_a_service_under_test_does_not_inherit_settings(
    identity_keys: IdentityKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://cv.example")
    found: list[ServiceSettings] = []

    def make() -> ASGIApp:
        found.append(ServiceSettings())
        return create_app("resumes", found[0], [])

    async with serving(make, identity_keys.environment("resumes")):
        assert found[0].public_base_url == "http://localhost:8000"


@pytest.mark.parametrize("url", ["https://cv.example", "https://cv.example/", "https://cv.example//"])
def test_the_public_base_url_loses_trailing_slashes(url: str) -> None:
    assert SystemSettings(public_base_url=url).public_base_url == "https://cv.example"


@pytest.mark.parametrize("url", ["cv.example", "ftp://cv.example", "/"])
def test_the_public_base_url_must_be_http_or_https(url: str) -> None:
    with pytest.raises(ValidationError, match="must begin with http:// or https://"):
        SystemSettings(public_base_url=url)
