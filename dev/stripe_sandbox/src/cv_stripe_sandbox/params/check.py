"""Parse and validate parameters, with Stripe's error messages."""

import re
from collections.abc import Callable
from typing import Any

from cv_stripe_sandbox.errors import ParameterError
from cv_stripe_sandbox.params.tree import Node, params_node
from cv_stripe_sandbox.shapes import Json

_WHOLE_NUMBER_DIGITS = 18
_METADATA_KEYS, _METADATA_KEY, _METADATA_VALUE = 50, 40, 500


def parse(sent: Json, params: type) -> Json:
    """Return the parameters as integers, booleans, lists and strings. Raises ParameterError if one is invalid."""
    checked: Json = _object(sent, params_node(params), "")
    return checked


def _checked(value: Any, node: Node, path: str) -> Any:
    if isinstance(value, str):
        return _scalar(value, node, path)
    if node.item is not None:
        return _list(value, node.item, path)
    if node.fields is not None:
        return _object(value, node, path)
    if node.values is not None:
        return _mapping(value, node.values, path)
    raise ParameterError("Invalid string: {...}", param=path)


def _object(value: Json, node: Node, path: str) -> Json:
    fields = node.fields or {}
    unknown = [_join(path, name) for name in value if name not in fields]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        message = f"Received unknown parameter{plural}: {', '.join(unknown)}"
        raise ParameterError(message, code="parameter_unknown", param=unknown[0])
    for name in sorted(node.required - value.keys()):
        raise missing_param(_join(path, name))
    return {name: _checked(entry, fields[name], _join(path, name)) for name, entry in value.items()}


def _mapping(value: Json, entry: Node, path: str) -> Json:
    if len(value) > _METADATA_KEYS:
        raise ParameterError(f"You can only have up to {_METADATA_KEYS} {path} keys.", param=path)
    for key, text in value.items():
        if len(key) > _METADATA_KEY:
            raise ParameterError(
                f"Metadata keys can be at most {_METADATA_KEY} characters, but '{key[:80]}' is {len(key)}.",
                param=path,
            )
        if len(text) > _METADATA_VALUE:
            raise ParameterError(
                f"Metadata values can be at most {_METADATA_VALUE} characters, but you passed in a value "
                f"that is {len(text)} characters for '{key}'.",
                param=f"{path}[{key}]",
            )
    return {key: _checked(text, entry, f"{path}[{key}]") for key, text in value.items()}


def _list(value: Json, item: Node, path: str) -> list[Any]:
    if not all(key.isdecimal() for key in value):
        raise ParameterError("Invalid array", param=path)
    ordered = sorted(value.items(), key=lambda pair: int(pair[0]))
    return [_checked(entry, item, f"{path}[{key}]") for key, entry in ordered]


def _scalar(text: str, node: Node, path: str) -> Any:
    if (text == "" and node.unsettable) or text in node.choices:
        return text
    for kind in node.scalars:
        value = _text(text, path) if kind == "string" else _READERS[kind](text)
        if value is not None:
            return value
    raise _type_error(text, node, path)


def _integer(text: str) -> int | None:
    digits = text.removeprefix("-")
    return int(text) if digits.isdecimal() and len(digits) <= _WHOLE_NUMBER_DIGITS else None


def _decimal(text: str) -> str | None:
    return text if re.fullmatch(r"-?\d{1,18}(\.\d{1,12})?", text) else None


def _boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text)


_READERS: dict[str, Callable[[str], Any]] = {"integer": _integer, "number": _decimal, "boolean": _boolean}


def _text(text: str, path: str) -> str:
    if text == "" and "metadata" not in path:
        message = (
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a "
            f"parameter; however '{path}' cannot be unset. You should remove '{path}' from your request or "
            "supply a non-empty value."
        )
        raise ParameterError(message, code="parameter_invalid_empty", param=path)
    return text


def _type_error(text: str, node: Node, path: str) -> ParameterError:
    if node.choices:
        listed = ", ".join(node.choices[:-1]) + f", or {node.choices[-1]}"
        known = listed if len(node.choices) > 1 else node.choices[0]
        return ParameterError(f"Invalid {path}: must be one of {known}", param=path)
    if "integer" in node.scalars:
        return ParameterError(f"Invalid integer: {text}", code="parameter_invalid_integer", param=path)
    noun = node.scalars[0] if node.scalars else "array" if node.item else "object"
    return ParameterError(f"Invalid {noun}: {text}", param=path)


def missing_param(param: str) -> ParameterError:
    """Return Stripe's error `Missing required param`."""
    return ParameterError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name
