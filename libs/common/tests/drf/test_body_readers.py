"""Bodies as dependencies of routes, and their description in the OpenAPI document."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from cv_common.drf import openapi
from cv_common.drf.body import BodyReader, ParsedBody, PartialBodyReader, RequestBody
from cv_common.drf.exception_handlers import EXCEPTION_HANDLERS
from cv_common.drf.fields import Text
from cv_common.drf.openapi import openapi_extra
from cv_common.drf.parameters import IfMatch
from cv_common.kernel.responses import JSONResponse
from fastapi import Depends, FastAPI, Query
from starlette.responses import Response


class NoteBody(RequestBody):
    """A note."""

    title: Annotated[str, Text(5)]
    text: Annotated[str, Text(5)]


app = FastAPI(exception_handlers=EXCEPTION_HANDLERS)
openapi.install(app)


@app.post("/notes/", openapi_extra=openapi_extra())
async def add(body: Annotated[NoteBody, Depends(BodyReader(NoteBody))], if_match: IfMatch = None) -> Response:
    return JSONResponse({"title": body.title, "if_match": if_match})


@app.patch("/notes/", openapi_extra=openapi_extra())
async def change(body: Annotated[ParsedBody[NoteBody], Depends(PartialBodyReader(NoteBody))]) -> Response:
    return JSONResponse({"fields": body.sent(), "errors": body.errors})


@app.get("/notes/{id}/")
async def get(id: int, page: Annotated[int, Query(ge=1)]) -> Response:  # noqa: A002 - the parameter of the path
    return JSONResponse({"id": id, "page": page})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as opened:
        yield opened


async def test_a_valid_body_reaches_the_route(client: httpx.AsyncClient) -> None:
    answer = await client.post("/notes/", json={"title": "a", "text": "b"}, headers={"If-Match": '"3"'})
    assert answer.json() == {"title": "a", "if_match": '"3"'}


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        ({"json": {"title": "longer"}}, 400, {"title": ["Ensure this field has no more than 5 characters."]}),
        ({"content": "{", "headers": {"Content-Type": "application/json"}}, 400, {}),
        ({"content": "x", "headers": {"Content-Type": "text/csv"}}, 415, {}),
    ],
)
async def test_invalid_bodies_are_errors(
    client: httpx.AsyncClient, request_: dict[str, Any], status: int, body: dict[str, Any]
) -> None:
    answer = await client.post("/notes/", **request_)
    assert answer.status_code == status
    assert body.items() <= answer.json().items()


async def test_a_partial_reader_returns_valid_fields_and_errors(client: httpx.AsyncClient) -> None:
    answer = await client.patch("/notes/", json={"title": "longer", "text": "b"})
    assert answer.json() == {
        "fields": {"text": "b"},
        "errors": {"title": ["Ensure this field has no more than 5 characters."]},
    }


def test_openapi_describes_the_body_and_the_header() -> None:
    operation = app.openapi()["paths"]["/notes/"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/NoteBody"}
    (header,) = operation["parameters"]
    assert (header["name"], header["in"], header["schema"]["type"]) == ("If-Match", "header", "string")


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/notes/1/?page=2", 200, {"id": 1, "page": 2}),
        ("/notes/1/", 400, {"page": ["This field is required."]}),
        ("/notes/1/?page=0", 400, {"page": ["Input should be greater than or equal to 1."]}),
        ("/notes/x/?page=0", 404, {"detail": "Not found."}),
    ],
)
async def test_an_invalid_query_parameter_is_400_and_an_invalid_path_404(
    client: httpx.AsyncClient, path: str, status: int, body: dict[str, Any]
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (status, body)
