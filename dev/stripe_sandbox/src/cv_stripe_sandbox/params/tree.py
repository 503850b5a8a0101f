"""The parameters of each endpoint, read from the SDK's TypedDicts.

A parameter that Stripe has removed is rejected here too, because the SDK no longer lists it.
"""

import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from stripe import RequestOptions
from typing_extensions import is_typeddict

Scalar = Literal["integer", "boolean", "number", "string"]

_SCALARS: dict[Any, Scalar] = {
    int: "integer",
    bool: "boolean",
    float: "number",
    Decimal: "number",
    str: "string",
}


@dataclass(frozen=True)
class Node:
    """The type of a parameter. It has several alternatives where Stripe allows them (`now` or a time)."""

    scalars: tuple[Scalar, ...] = ()
    choices: tuple[str, ...] = ()
    item: "Node | None" = None
    values: "Node | None" = None
    fields: Mapping[str, "Node"] | None = None
    required: frozenset[str] = field(default_factory=frozenset)
    unsettable: bool = False


@cache
def params_node(params: type) -> Node:
    """Return the node of an SDK params class such as `stripe.params.RefundCreateParams`."""
    own = {name: hint for name, hint in params.__annotations__.items() if name not in RequestOptions.__annotations__}
    holder = type(params.__name__, (), {"__annotations__": own, "__module__": params.__module__})
    hints = get_type_hints(holder, vars(sys.modules[params.__module__]), include_extras=True)
    required = frozenset(name for name, hint in hints.items() if get_origin(hint) is not NotRequired)
    return Node(fields={name: _node(hint) for name, hint in hints.items()}, required=required)


def _node(hint: Any) -> Node:
    origin = get_origin(hint)
    if origin in {NotRequired, Required}:
        return _node(get_args(hint)[0])
    if origin in {Union, types.UnionType}:
        return _merge([_node(arm) for arm in get_args(hint)])
    if origin is Literal:
        return _literal(get_args(hint))
    if origin is list:
        return Node(item=_node(get_args(hint)[0]))
    if origin is dict:
        return Node(values=_node(get_args(hint)[1]))
    if is_typeddict(hint):
        return params_node(hint)
    if hint in _SCALARS:
        return Node(scalars=(_SCALARS[hint],))
    return Node()


def _literal(values: tuple[Any, ...]) -> Node:
    texts = tuple(value for value in values if isinstance(value, str) and value)
    kind: tuple[Scalar, ...] = ("boolean",) if any(isinstance(value, bool) for value in values) else ()
    return Node(scalars=kind, choices=texts, unsettable="" in values)


def _merge(arms: list[Node]) -> Node:
    merged = Node()
    for arm in arms:
        merged = replace(
            merged,
            scalars=merged.scalars + arm.scalars,
            choices=merged.choices + arm.choices,
            item=arm.item or merged.item,
            values=arm.values or merged.values,
            fields=merged.fields if arm.fields is None else arm.fields,
            required=merged.required | arm.required,
            unsettable=merged.unsettable or arm.unsettable,
        )
    # `Literal["a", "b"] | str` is how the SDK types an enum that may grow. Today's API accepts only the listed values.
    if merged.choices:
        merged = replace(merged, scalars=tuple(kind for kind in merged.scalars if kind != "string"))
    return merged
