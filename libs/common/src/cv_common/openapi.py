"""OpenAPI as the contract has it: bodies documented though read by our own reader, and no 422 anywhere."""

from collections.abc import Collection
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from cv_common.openapi_errors import add_errors

_TOKEN: dict[str, list[str]] = {"accessToken": []}
_SESSION: dict[str, list[str]] = {"session": []}
"""How callers say who they are; the gateway describes both schemes."""

BODY_MEDIA_TYPES = ("application/json", "multipart/form-data", "application/x-www-form-urlencoded")


class DocumentedBody(dict[str, Any]):
    """The `openapi_extra` of a route, which remembers the model that its body is read as."""

    def __init__(self, model: type[BaseModel], media_types: tuple[str, ...], headers: tuple[str, ...]) -> None:
        reference = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
        super().__init__(requestBody={"content": dict.fromkeys(media_types, reference), "required": True})
        self.update(documented_parameters(headers=headers))
        self.model = model


def documented_body(
    model: type[BaseModel], *, media_types: tuple[str, ...] = BODY_MEDIA_TYPES[:1], headers: tuple[str, ...] = ()
) -> DocumentedBody:
    """`openapi_extra` for a route that reads `model`, and perhaps some optional headers, from the request itself."""
    return DocumentedBody(model, media_types, headers)


def documented_parameters(query: tuple[str, ...] = (), headers: tuple[str, ...] = ()) -> dict[str, Any]:
    """`openapi_extra` for a route that reads optional numbers of the query, or optional headers, itself."""
    numbers = [{"name": name, "in": "query", "schema": {"type": "integer", "minimum": 0}} for name in query]
    texts = [{"name": name, "in": "header", "schema": {"type": "string"}} for name in headers]
    return {"parameters": numbers + texts} if numbers or texts else {}


def install(app: FastAPI, users_only: Collection[str] = ()) -> None:
    """Make `app.openapi()` give the finished document; the paths of `users_only` need an access token."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, users_only)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to replace the document


def _document(app: FastAPI, users_only: Collection[str]) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operation in _operations(document):
        operation.get("responses", {}).pop("422", None)
    _, definitions = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(_body_models(app))],
        ref_template="#/components/schemas/{model}",
    )
    schemas.update(definitions.get("$defs", {}))
    for path, operations in document.get("paths", {}).items():
        for operation in operations.values():
            operation["security"] = [_TOKEN] if path in users_only else [_TOKEN, _SESSION, {}]
    add_errors(document)
    return document


def _body_models(app: FastAPI) -> list[type[BaseModel]]:
    extras = [route.openapi_extra for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    return [extra.model for extra in extras if isinstance(extra, DocumentedBody)]


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document.get("paths", {}).values() for operation in path.values()]
