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


class OperationExtra(dict[str, Any]):
    """The `openapi_extra` of a route, and values that are added when the document is complete."""

    def __init__(self, response_headers: tuple[str, ...], examples: Json) -> None:
        super().__init__()
        self.bodies: tuple[type[BaseModel], ...] = ()
        self.response_headers = response_headers
        self.examples = examples

    def add_body(self, body: type[BaseModel], multipart: type[BaseModel] | None = None) -> None:
        """Describe the request body: JSON or a form with the fields of `body`; with files, those of `multipart`.

        The document omits forms for other bodies: client generators fail on a model with several media types.
        """
        models = {"application/json": body} | ({"multipart/form-data": multipart} if multipart else {})
        self.bodies = tuple(dict.fromkeys(models.values()))
        content = {media_type: {"schema": _reference(model)} for media_type, model in models.items()}
        required = any(field.is_required() for field in body.model_fields.values())
        self["requestBody"] = {"content": content, "required": required}


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
    extra = OperationExtra(response_headers, examples or {})
    if raw:
        extra["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True}
    if parameters:
        extra["parameters"] = describe_parameters(parameters)
    if security is not None:
        extra["security"] = security
    return extra


def _reference(model: type[BaseModel]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


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
    _describe_bodies(app)
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas.update(_definitions(app))
    _drop_defaults(schemas)
    for path, method, operation, extra in _operations(app, document):
        operation["responses"].pop("422", None)
        operation.setdefault("security", REQUIRED_TOKEN if path in users_only else OPTIONAL_IDENTITY)
        add_errors(path, method, operation, extra.examples, reads_body=bool(extra.bodies))
        _describe_successes(operation, extra.response_headers)
        _add_examples(operation, extra.examples)
    schemas.update(error_schemas(document))
    return document


def _describe_bodies(app: FastAPI) -> None:
    """Describe the bodies of routes with a `BodyReader`."""
    for route in app.routes:
        if isinstance(route, APIRoute) and isinstance(route.openapi_extra, OperationExtra):
            for reader in _body_readers(route.dependant):
                route.openapi_extra.add_body(reader.model, reader.multipart)


def _body_readers(dependant: Dependant) -> Iterator[BodyReader[Any]]:
    for each in dependant.dependencies:
        if isinstance(each.call, BodyReader):
            yield each.call
        yield from _body_readers(each)


def _operations(app: FastAPI, document: Json) -> Iterator[tuple[str, str, Json, OperationExtra]]:
    """Yield path, method, operation and extra of each operation. Names the operations after their handlers."""
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            extra = route.openapi_extra
            for method in sorted(route.methods or ()):
                operation = document["paths"][route.path_format][method.lower()]
                operation["operationId"] = route.name
                known = extra if isinstance(extra, OperationExtra) else OperationExtra((), {})
                yield route.path_format, method.lower(), operation, known


def _definitions(app: FastAPI) -> Json:
    """Return the schemas of all request bodies."""
    extras = [route.openapi_extra for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    bodies = dict.fromkeys(body for extra in extras if isinstance(extra, OperationExtra) for body in extra.bodies)
    _, definitions = models_json_schema(
        [(body, "validation") for body in bodies], ref_template="#/components/schemas/{model}"
    )
    found: Json = definitions.get("$defs", {})
    return found


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
