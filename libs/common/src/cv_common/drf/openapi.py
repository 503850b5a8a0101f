"""The parts of the OpenAPI document that FastAPI cannot derive.

These are the bodies that a `BodyReader` reads, the error responses without FastAPI's 422, response headers, security
and examples.
"""

import json
from collections.abc import Collection, Iterator
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from cv_common.drf.body import BodyReader
from cv_common.drf.openapi_errors import add_errors, error_schemas
from cv_common.drf.openapi_headers import describe_headers, describe_parameters

Json = dict[str, Any]

# Security requirements. The gateway describes both schemes. An empty requirement makes authentication optional.
_TOKEN: dict[str, list[str]] = {"accessToken": []}
_SESSION: dict[str, list[str]] = {"session": []}
OPTIONAL_IDENTITY: list[Json] = [_TOKEN, _SESSION, {}]
REQUIRED_TOKEN: list[Json] = [_TOKEN]
OPTIONAL_TOKEN: list[Json] = [_TOKEN, {}]
NO_IDENTITY: list[Json] = []

_SCHEMA = "#/components/schemas/{model}"


class OperationExtra(dict[str, Any]):
    """The `openapi_extra` of a route, and values that are added when the document is complete."""

    def __init__(self, response_headers: tuple[str, ...] = (), examples: Json | None = None) -> None:
        super().__init__()
        self.response_headers = response_headers
        self.examples = examples or {}


def openapi_extra(
    *,
    raw: bool = False,
    parameters: tuple[str, ...] = (),
    response_headers: tuple[str, ...] = (),
    security: list[Json] | None = None,
    examples: Json | None = None,
) -> OperationExtra:
    """Return the `openapi_extra` of a route.

    `response_headers` are those of its successful response, `parameters` those that its signature does not
    declare. `security` replaces the requirements of its service. `examples` are those of the operation in
    `read_examples`. `raw` describes a body that is any JSON object.
    """
    extra = OperationExtra(response_headers, examples)
    if raw:
        extra["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True}
    if parameters:
        extra["parameters"] = describe_parameters(parameters)
    if security is not None:
        extra["security"] = security
    return extra


def read_examples(package: str) -> Json:
    """Return the examples in `examples.json` of a package: operation -> `request` or status -> title -> body."""
    examples: Json = json.loads((files(package) / "examples.json").read_text("utf-8"))
    return examples


def install(app: FastAPI, users_only: Collection[str] = ()) -> None:
    """Make `app.openapi()` return the complete document. The paths in `users_only` need an access token."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, users_only)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to replace the document


def _document(app: FastAPI, users_only: Collection[str]) -> Json:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    bodies: dict[type[BaseModel], None] = {}
    for route, method, operation in _operations(app, document):
        extra = route.openapi_extra if isinstance(route.openapi_extra, OperationExtra) else OperationExtra()
        operation["operationId"] = route.name
        operation["responses"].pop("422", None)
        operation.setdefault("security", REQUIRED_TOKEN if route.path_format in users_only else OPTIONAL_IDENTITY)
        reader = _body_reader(route.dependant)
        if reader is not None:
            operation["requestBody"] = _request_body(reader)
            bodies |= dict.fromkeys(reader.models.values())
        add_errors(route.path_format, method, operation, extra.examples, reads_body=reader is not None)
        _describe_successes(operation, extra.response_headers)
        _add_examples(operation, extra.examples)
    _, definitions = models_json_schema([(body, "validation") for body in bodies], ref_template=_SCHEMA)
    schemas.update(definitions.get("$defs", {}))
    _drop_defaults(schemas)
    schemas.update(error_schemas(document))
    return document


def _operations(app: FastAPI, document: Json) -> Iterator[tuple[APIRoute, str, Json]]:
    """Yield route, method and description of each operation."""
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in sorted(route.methods or ()):
                yield route, method.lower(), document["paths"][route.path_format][method.lower()]


def _body_reader(dependant: Dependant) -> BodyReader[Any] | None:
    """Return the dependency that reads the body, which may be a dependency of another one."""
    if isinstance(dependant.call, BodyReader):
        return dependant.call
    return next(filter(None, map(_body_reader, dependant.dependencies)), None)


def _request_body(reader: BodyReader[Any]) -> Json:
    content = {
        media_type: {"schema": {"$ref": _SCHEMA.format(model=model.__name__)}}
        for media_type, model in reader.models.items()
    }
    return {"content": content, "required": any(field.is_required() for field in reader.model.model_fields.values())}


def _drop_defaults(schemas: Json) -> None:
    """Remove defaults: client generators treat fields with one as always present, and partial updates have none."""
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            field.pop("default", None)


def _describe_successes(operation: Json, headers: tuple[str, ...]) -> None:
    """Add the description and the headers of successful responses."""
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            response["description"] = HTTPStatus(int(status)).phrase
        if headers and (status.startswith("2") or status == "304"):
            response["headers"] = describe_headers(headers)


def _add_examples(operation: Json, examples: Json) -> None:
    """Add the examples of requests and responses. They replace the shared examples of an error."""
    for place, titled in examples.items():
        part = operation["requestBody"] if place == "request" else operation["responses"][place]
        part["content"]["application/json"]["examples"] = {title: {"value": value} for title, value in titled.items()}
