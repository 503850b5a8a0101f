"""The command line of templates: `cv-templates load FOLDER`."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from cv_common.kernel.database import DATABASE_UNAVAILABLE
from cv_common.kernel.errors import ServiceUnavailable

from cv_templates import actions
from cv_templates.actions import Context
from cv_templates.domain import (
    FILES,
    SAMPLE,
    SHARED,
    Catalog,
    InvalidCatalog,
    TemplateSource,
    build_catalog,
    read_sample,
    read_template,
)


def parse(arguments: Sequence[str]) -> Namespace:
    """Parse the command line. Exits with the usage if it is wrong."""
    parser = ArgumentParser(prog="cv-templates", description="The catalog of CV templates.")
    commands = parser.add_subparsers(required=True)
    load = commands.add_parser("load", help="make the stored templates those of a folder")
    load.add_argument("folder", type=Path, help=f"holds {SAMPLE} and a folder for each template: {', '.join(FILES)}")
    return parser.parse_args(arguments)


async def run(context: Context, folder: Path, out: TextIO, err: TextIO) -> int:
    """Load the catalog in `folder` and print the outcome for each template. Returns the exit code."""
    try:
        outcomes = await actions.load_catalog(context, read_catalog(folder))
    except InvalidCatalog as invalid:
        errors = invalid.errors
    except ServiceUnavailable as unavailable:
        errors = [unavailable.body["detail"]]
    except DATABASE_UNAVAILABLE as error:
        errors = [f"The database does not answer: {error}"]
    else:
        out.writelines(f"{slug}: {outcome}\n" for slug, outcome in outcomes.items())
        return 0
    err.write("\n  ".join([f"{folder} was not loaded:", *errors]) + "\n")
    return 1


def read_catalog(folder: Path) -> Catalog:
    """Read the catalog in a folder. Raises InvalidCatalog with the errors of all files."""
    errors: list[str] = []
    sample = None
    try:
        sample = read_sample(_read(folder / SAMPLE))
    except InvalidCatalog as invalid:
        errors += invalid.errors
    templates: list[TemplateSource] = []
    shared = {path.name: _read(path) for path in sorted((folder / SHARED).glob("*"))}
    for path in _template_folders(folder):
        try:
            templates.append(read_template(path.name, {name: _read(path / name) for name in FILES}, shared))
        except InvalidCatalog as invalid:
            errors += invalid.errors
    if sample is None or errors:
        raise InvalidCatalog(errors)
    return build_catalog(templates, sample)


def _template_folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))
    except OSError as error:
        raise InvalidCatalog([f"{folder}: {error.strerror}"]) from None


def _read(path: Path) -> str:
    """Return the text of a file; empty if it does not exist."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCatalog([f"{path.parent.name}/{path.name}: {error}"]) from None
