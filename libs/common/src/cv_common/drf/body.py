"""Request bodies, parsed and validated as Django REST Framework (DRF) does, with its error messages.

A route declares its body with a dependency:

    async def login(body: Annotated[LoginBody, Depends(BodyReader(LoginBody))]) -> Response: ...

`PartialBodyReader` also passes invalid bodies on, as a `ParsedBody` with errors to which an action may add its own.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model, model_validator
from starlette.requests import Request

from cv_common.drf.charsets import charset_of
from cv_common.drf.fields import NULL, Field, FormText, UntouchedFileInput, is_form_blank, type_name
from cv_common.drf.forms import read_multipart, read_urlencoded
from cv_common.drf.texts import text_errors
from cv_common.kernel.errors import BadRequest, UnsupportedMediaType, ValidationFailed

MAX_DEPTH = 100
"""The maximum nesting of lists and objects: JSON writers have limits, and responses contain the data of requests."""

Body = TypeVar("Body", bound="RequestBody")
Value = TypeVar("Value")


class RequestBody(BaseModel):
    """Base of all request bodies. Ignores unknown and read-only fields."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_absent_form_fields(cls, data: Any) -> Any:
        """Drop the form fields that DRF treats as absent, and file inputs without a file."""
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if not _is_absent(cls, name, value)}

    def sent(self) -> dict[str, Any]:
        """Return the fields that the request contained, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def _is_absent(model: type[RequestBody], name: str, value: Any) -> bool:
    """Return whether a form with this value omits the field.

    An empty text does if the field has a default and accepts neither null nor an empty text.
    """
    info = model.model_fields.get(name)
    if info is None or not is_form_blank(value):
        return False
    rules = [rule for rule in info.metadata if isinstance(rule, Field)]
    if isinstance(value, UntouchedFileInput) and any(rule.takes_files for rule in rules):
        return True
    if info.is_required() or info.default is None:  # partial() sets the default None
        return False
    return any(not rule.null and not rule.blank for rule in rules)


@cache
def partial(model: type[Body]) -> type[Body]:
    """Return a subclass of `model` for partial updates: absent fields are None, and `sent()` omits them."""
    fields: Any = {
        name: (Annotated[info.annotation, *info.metadata], None)
        for name, info in model.model_fields.items()
        if info.is_required()
    }
    return create_model(f"Patched{model.__name__}", __base__=model, **fields)


@dataclass(frozen=True, slots=True)
class ParsedBody(Generic[Body]):
    """A request body: its valid fields, and the error messages of the others by name in `errors`.

    An action adds its own errors, such as a name that is taken: one response reports all.
    """

    _fields: Body
    errors: dict[str, Any]

    def get(self, select: Callable[[Body], Value]) -> Value | None:
        """Return a field, as in `body.get(lambda fields: fields.title)`: its default or None if it is not valid."""
        return select(self._fields)

    def sent(self) -> dict[str, Any]:
        """Return the valid fields that the request contained, by name."""
        return self._fields.sent()

    def validated(self, errors: Mapping[str, Any] | None = None) -> Body:
        """Return the fields. Raises ValidationFailed with the errors of the body and `errors`, if there are any."""
        if all_errors := {**self.errors, **(errors or {})}:
            raise ValidationFailed(all_errors)
        return self._fields


class BodyReader(Generic[Body]):
    """Dependency: the valid request body. Raises ValidationFailed, BadRequest and UnsupportedMediaType.

    The OpenAPI document describes the body as JSON, and with the fields of `multipart` as a form with files. It omits
    other forms: client generators fail on a model with several media types.
    """

    def __init__(self, model: type[Body], multipart: type[BaseModel] | None = None) -> None:
        self.model = model
        self.models = {"application/json": model} | ({"multipart/form-data": multipart} if multipart else {})
        """The models of the OpenAPI document by media type."""

    async def __call__(self, request: Request) -> Body:
        return validate(await read_data(request), self.model)


class PartialBodyReader(BodyReader[Body]):
    """Dependency: the request body as a `ParsedBody`, for actions that find errors of their own.

    Raises ValidationFailed if the body is not an object, BadRequest and UnsupportedMediaType.
    """

    async def __call__(self, request: Request) -> ParsedBody[Body]:  # type: ignore[override]  # FastAPI calls it, no caller expects a Body
        return validate_partial(await read_data(request), self.model)


def validate(data: object, model: type[Body]) -> Body:
    """Validate parsed JSON. Raises ValidationFailed."""
    if not isinstance(data, dict):
        message = "No data provided" if data is None else _not_a_dictionary(data)
        raise ValidationFailed({"non_field_errors": [message]})
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ValidationFailed(error_tree(error, data)) from None


def validate_partial(data: object, model: type[Body]) -> ParsedBody[Body]:
    """Return the valid fields of parsed JSON, and the errors of the others.

    Raises ValidationFailed if `data` is not an object.
    """
    try:
        return ParsedBody(validate(data, model), {})
    except ValidationFailed as error:
        if not isinstance(data, dict):
            raise
        errors = error.body
    valid = {name: value for name, value in data.items() if name not in errors}
    return ParsedBody(partial(model).model_validate(valid), errors)


async def read_data(request: Request) -> Any:
    """Parse a body: JSON, or a form, whose files are `UploadedFile`s. An empty body is `{}`."""
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


def max_items(most: int, detail: str) -> BeforeValidator:
    """Return a validator for list fields that raises BadRequest with `detail` for more than `most` entries.

    It runs before the entries are validated. Also parses the JSON text of a form.
    """

    def check(value: Any) -> Any:
        entries = list_from_form(value)
        if isinstance(entries, list) and len(entries) > most:
            raise BadRequest(detail)
        return entries

    return BeforeValidator(check)


def list_from_form(value: Any) -> Any:
    """Parse the JSON text of a form, as a BeforeValidator of list fields. An empty text is an empty list."""
    if not isinstance(value, FormText):
        return value
    try:
        return parse_json(value.encode("utf-8", "surrogatepass")) if value else []
    except BadRequest:
        return value


def parse_json(raw: bytes, charset: str = "utf-8") -> Any:
    """Parse strict JSON. Raises BadRequest with DRF's `JSON parse error - …`."""
    try:
        text = raw.decode(charset)
        data = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise BadRequest(f"JSON parse error - {error}") from None
    # Most documents have too few brackets to be too deep, and are not walked.
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deeper(data, MAX_DEPTH):
        raise _too_deep()
    return data


def _is_deeper(data: Any, depth: int) -> bool:
    """Return whether lists and objects are nested more than `depth` levels."""
    children = data.values() if isinstance(data, dict) else data
    if not isinstance(data, dict | list):
        return False
    return depth == 0 or any(_is_deeper(child, depth - 1) for child in children)


def _too_deep() -> BadRequest:
    return BadRequest("JSON parse error - the document is nested too deeply")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"Out of range float values are not JSON compliant: {name!r}")


def error_tree(error: ValidationError, data: Any) -> dict[str, Any]:
    """Convert Pydantic's list of errors to DRF's nested body. Lists have the length of the input's lists."""
    tree: dict[str, Any] = {}
    items = error.errors(include_url=False, include_context=True)
    with_entries = {str(item["loc"][0]) for item in items if len(item["loc"]) > 1}
    parsed = {name: list_from_form(value) if name in with_entries else value for name, value in data.items()}
    for item in items:
        field = item.get("ctx", {}).get("field")
        _add_error(tree, parsed, [*item["loc"], field] if field else list(item["loc"]), _messages(item))
    return tree


def _add_error(node: dict[str, Any], data: Any, path: list[int | str], messages: list[str]) -> None:
    """Add `messages` at `path` below `node`, which mirrors the mapping `data`."""
    field = str(path[0]) if path else "non_field_errors"
    below = data.get(field) if isinstance(data, Mapping) else None
    if len(path) > 1 and isinstance(path[1], int) and isinstance(below, list):
        if field not in node:
            node[field] = [{} for _ in below]
        entries = node[field]
        if below[path[1]] is None:
            entries[path[1]] = messages
        else:
            _add_error(entries[path[1]], below[path[1]], path[2:], messages)
    elif len(path) > 1:
        _add_error(node.setdefault(field, {}), below, path[1:], messages)
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
        case "string_unicode":  # the key of an object, which no Field validates
            return list(text_errors(value))
        case _:
            return [str(item["msg"])]


def _not_a_dictionary(value: Any) -> str:
    return f"Invalid data. Expected a dictionary, but got {type_name(value)}."
