"""Stripe's request encoding: `line_items[0][price]=x` in a query or form body is decoded to a tree of strings."""

import re
from typing import Any
from urllib.parse import parse_qsl

from cv_stripe_sandbox.errors import ParameterError

Tree = dict[str, Any]

_SEGMENTS = re.compile(r"\[([^\[\]]*)\]")


def decode(encoded: str) -> Tree:
    """Decode a query string or form body. Lists become mappings of their indexes, which `parse` turns into lists."""
    tree: Tree = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        _place(tree, _path(name), value)
    return tree


def _path(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    segments = _SEGMENTS.findall(bracket + rest)
    if not head or head + "".join(f"[{segment}]" for segment in segments) != name:
        raise ParameterError(f"Invalid parameter name: {name}", param=name)
    return [head, *segments]


def _place(tree: Tree, path: list[str], value: str) -> None:
    for segment in path[:-1]:
        tree = tree.setdefault(segment, {})
        if not isinstance(tree, dict):
            raise ParameterError(f"Invalid object: {segment}", param=path[0])
    last = path[-1]
    tree[str(len(tree)) if last == "" else last] = value
