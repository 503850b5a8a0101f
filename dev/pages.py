"""The generated pages of `docs/`: reading the descriptions of fields, checking and writing pages."""

import ast
import inspect
import sys
import textwrap
from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel

from dev.prepare import ROOT


@dataclass(frozen=True)
class FieldSource:
    """The source text of a field's default, and the string below the field."""

    default: str
    docstring: str


def field_source(model: type[BaseModel], name: str) -> FieldSource:
    """Return the source of a field, from the class that declares it."""
    declaring = next(each for each in model.__mro__ if name in vars(each).get("__annotations__", {}))
    return _field_sources(declaring)[name]


def field_meaning(model: type[BaseModel], name: str) -> str:
    """Return the description of a field, or else the string below it, in one line."""
    text = model.model_fields[name].description or field_source(model, name).docstring
    return " ".join(text.split()).replace("|", "&#124;")


def check_or_write(name: str, text: str) -> None:
    """With the argument `--write`, write the page; without, exit with a message if it differs from `text`."""
    file = ROOT / name
    if sys.argv[1:] == ["--write"]:
        file.write_text(text)
    elif not file.exists() or file.read_text() != text:
        sys.exit(f"! {name} is out of date; type: make docs")


@cache
def _field_sources(declaring: type) -> dict[str, FieldSource]:
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(declaring))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for statement, following in zip(tree.body, [*tree.body[1:], ast.Pass()], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            default = ast.unparse(statement.value) if statement.value else ""
            found[statement.target.id] = FieldSource(default, _string(following))
    return found


def _string(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return str(statement.value.value)
    return ""
