"""Request bodies read as Django REST Framework reads them, and its error bodies when they are wrong.

`await read_body(request, Model)` gives a valid `Model` or raises 400/415 in DRF's shapes;
`validate_partial(await read_data(request), Model)` gives what is valid, and the errors, for an action to add its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Generic, TypeVar

from cv_common.drf.charsets import charset_of
from cv_common.drf.fields import NULL, Field, FormText, UntouchedFileInput, is_form_blank, type_name
from cv_common.drf.forms import read_multipart, read_urlencoded
from cv_common.drf.texts import text_errors
from cv_common.kernel.errors import BadRequest, UnsupportedMediaType, ValidationFailed
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model, model_validator
from starlette.requests import Request

MAX_DEPTH = 100
"""How deep lists and objects may lie within each other: what comes in goes out again, through writers with limits."""

Body = TypeVar("Body", bound="RequestBody")


class RequestBody(BaseModel):
    """Base of every request body: unknown and read-only fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_absent_form_fields(cls, data: Any) -> Any:
        """Drop the fields of a form that DRF reads as absent, and untouched file inputs."""
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if not _is_absent(cls, name, value)}

    def sent(self) -> dict[str, Any]:
        """Only the fields that the request carried, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def _is_absent(model: type[RequestBody], name: str, value: Any) -> bool:
    """Whether a form means with `value` that it leaves this field out: an empty text has no other meaning where the
    field has a default and takes neither null nor an empty text.
    """
    info = model.model_fields.get(name)
    if info is None or not is_form_blank(value):
        return False
    rules = [rule for rule in info.metadata if isinstance(rule, Field)]
    if isinstance(value, UntouchedFileInput) and any(rule.takes_files for rule in rules):
        return True
    if info.is_required() or info.default is None:  # a patched field is required, where it is sent
        return False
    return any(not rule.null and not rule.blank for rule in rules)


@cache
def partial(model: type[Body]) -> type[Body]:
    """`model` with every field optional, for a partial update: absent fields are not in `sent()`."""
    fields: Any = {
        name: (Annotated[info.annotation, *info.metadata], None)
        for name, info in model.model_fields.items()
        if info.is_required()
    }
    return create_model(f"Patched{model.__name__}", __base__=model, **fields)


@dataclass(frozen=True, slots=True)
class ParsedBody(Generic[Body]):
    """A request body: `fields` has what is valid, `errors` the messages for the other fields, by name.

    An action adds errors of its own, such as a name that is taken, so that one answer has them all.
    """

    fields: Body
    errors: dict[str, Any]

    def validated(self) -> Body:
        """The body, all of which is valid. Raises ValidationFailed."""
        if self.errors:
            raise ValidationFailed(self.errors)
        return self.fields


class BodyReader(Generic[Body]):
    """Dependency: the request's body as a valid `model`. The OpenAPI document describes it.

        async def login(body: Annotated[LoginBody, Depends(BodyReader(LoginBody))]) -> Response: ...

    `multipart` is the model that describes a body with files. Raises ValidationFailed (400), BadRequest (400) and
    UnsupportedMediaType (415).
    """

    def __init__(self, model: type[Body], multipart: type[BaseModel] | None = None) -> None:
        self.model, self.multipart = model, multipart

    async def __call__(self, request: Request) -> Body:
        return validate(await read_data(request), self.model)


class PartialBodyReader(BodyReader[Body]):
    """Dependency: the request's body as a `ParsedBody`, for actions that find errors of their own.

    Raises ValidationFailed for data without fields, BadRequest and UnsupportedMediaType.
    """

    async def __call__(self, request: Request) -> ParsedBody[Body]:  # type: ignore[override]
        return ParsedBody(*validate_partial(await read_data(request), self.model))


async def read_body(request: Request, model: type[Body]) -> Body:
    """The request's body as `model`. Raises ValidationFailed (400), BadRequest (400), UnsupportedMediaType (415)."""
    return validate(await read_data(request), model)


def validate(data: Any, model: type[Body]) -> Body:
    """`data`, parsed JSON, as `model`. Raises ValidationFailed."""
    if not isinstance(data, dict):
        message = "No data provided" if data is None else _not_a_dictionary(data)
        raise ValidationFailed({"non_field_errors": [message]})
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ValidationFailed(error_tree(error, data)) from None


def validate_partial(data: Any, model: type[Body]) -> tuple[Body, dict[str, Any]]:
    """The valid fields of `data`, with the others left out of `sent()`, and the errors of the others.

    For actions that find errors of their own, such as a name that is taken, and answer with all of them at once.
    Raises ValidationFailed when `data` has no fields at all.
    """
    try:
        return validate(data, model), {}
    except ValidationFailed as error:
        if not isinstance(data, dict):
            raise
        errors: dict[str, Any] = error.body
    return partial(model).model_validate({name: value for name, value in data.items() if name not in errors}), errors


async def read_data(request: Request) -> Any:
    """The body as plain data: JSON, a form, or multipart (files are `UploadedFile`s). An empty body is `{}`."""
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return await read_multipart(request)
    if media_type == "application/x-www-form-urlencoded":
        return await read_urlencoded(request)
    raw = await request.body()
    if not raw:
        return {}
    if media_type != "application/json":
        raise UnsupportedMediaType(content_type)
    return parse_json(raw, charset_of(content_type))


def max_items(most: int, refusal: str) -> BeforeValidator:
    """For list fields: a form's JSON text is read, and more than `most` entries are refused before any is judged.

    The refusal is a BadRequest, whatever else is wrong.
    """

    def check(value: Any) -> Any:
        entries = list_from_form(value)
        if isinstance(entries, list) and len(entries) > most:
            raise BadRequest(refusal)
        return entries

    return BeforeValidator(check)


def list_from_form(value: Any) -> Any:
    """For list fields, as a BeforeValidator: a form carries a list as JSON text, and an empty one as no text."""
    if not isinstance(value, FormText):
        return value
    try:
        return parse_json(value.encode("utf-8", "surrogatepass")) if value else []
    except BadRequest:
        return value


def parse_json(raw: bytes, charset: str = "utf-8") -> Any:
    """Strict JSON. Raises BadRequest with DRF's `JSON parse error - …`."""
    try:
        text = raw.decode(charset)
        data = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise BadRequest(f"JSON parse error - {error}") from None
    # Only what opens so many brackets can be so deep: nearly no document is walked.
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deeper(data, MAX_DEPTH):
        raise _too_deep()
    return data


def _is_deeper(data: Any, depth: int) -> bool:
    """Do more than `depth` lists and objects lie within each other?"""
    below = data.values() if isinstance(data, dict) else data
    if not isinstance(data, dict | list):
        return False
    return depth == 0 or any(_is_deeper(part, depth - 1) for part in below)


def _too_deep() -> BadRequest:
    return BadRequest("JSON parse error - the document is nested too deeply")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"Out of range float values are not JSON compliant: {name!r}")


def error_tree(error: ValidationError, data: Any) -> dict[str, Any]:
    """Pydantic's flat list of errors as DRF's nested body; lists are padded to the length of the input's."""
    tree: dict[str, Any] = {}
    items = error.errors(include_url=False, include_context=True)
    listed = {str(item["loc"][0]) for item in items if len(item["loc"]) > 1}
    judged = {name: list_from_form(value) if name in listed else value for name, value in data.items()}
    for item in items:
        blamed = item.get("ctx", {}).get("field")
        _place(tree, judged, [*item["loc"], blamed] if blamed else list(item["loc"]), _messages(item))
    return tree


def _place(node: dict[str, Any], data: Any, path: list[int | str], messages: list[str]) -> None:
    """Put `messages` at `path` below `node`, which mirrors the mapping `data`."""
    field = str(path[0]) if path else "non_field_errors"
    below = data.get(field) if isinstance(data, Mapping) else None
    if len(path) > 1 and isinstance(path[1], int) and isinstance(below, list):
        if field not in node:
            node[field] = [{} for _ in below]
        entries = node[field]
        if below[path[1]] is None:
            entries[path[1]] = messages
        else:
            _place(entries[path[1]], below[path[1]], path[2:], messages)
    elif len(path) > 1:
        _place(node.setdefault(field, {}), below, path[1:], messages)
    elif messages[0].startswith("Expected a list"):
        node[field] = {"non_field_errors": messages}
    else:
        node.setdefault(field, []).extend(messages)


def _messages(item: Any) -> list[str]:
    value = item["input"]
    match item["type"]:
        case "drf":
            return list(item["ctx"]["messages"])
        case "missing":
            return ["This field is required."]
        case "model_type" | "dict_type" | "model_attributes_type" | "list_type" if value is None:
            return [NULL]
        case "model_type" | "dict_type" | "model_attributes_type":
            return [_not_a_dictionary(value)]
        case "list_type":
            return [f'Expected a list of items but got type "{type_name(value)}".']
        case "string_unicode":  # a key, which no field of ours has judged
            return list(text_errors(value))
        case _:
            return [str(item["msg"])]


def _not_a_dictionary(value: Any) -> str:
    return f"Invalid data. Expected a dictionary, but got {type_name(value)}."
