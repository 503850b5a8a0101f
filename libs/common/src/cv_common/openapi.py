"""OpenAPI as the contract has it: bodies documented though read by our own reader, and no 422 anywhere."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_BODY = "x-body-model"
_MEDIA_TYPES = ("application/json", "multipart/form-data", "application/x-www-form-urlencoded")


def documented_body(model: type[BaseModel], *, media_types: tuple[str, ...] = _MEDIA_TYPES[:1]) -> dict[str, Any]:
    """`openapi_extra` for a route that reads `model` from the request itself."""
    reference = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    return {"requestBody": {"content": dict.fromkeys(media_types, reference), "required": True}, _BODY: model}


def install(app: FastAPI) -> None:
    """Make `app.openapi()` give the finished document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to replace the document


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    models: list[type[BaseModel]] = []
    for operation in _operations(document):
        operation.get("responses", {}).pop("422", None)
        if (model := operation.pop(_BODY, None)) is not None:
            models.append(model)
    _, definitions = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)], ref_template="#/components/schemas/{model}"
    )
    schemas.update(definitions.get("$defs", {}))
    return document


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document.get("paths", {}).values() for operation in path.values()]
