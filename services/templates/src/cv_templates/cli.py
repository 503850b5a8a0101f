"""The command door of templates: `cv-templates load FOLDER`."""

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from cv_common.kernel.database import DATABASE_UNAVAILABLE
from cv_common.kernel.errors import ServiceUnavailable

from cv_templates import actions
from cv_templates.actions import Context, Outcome
from cv_templates.domain import (
    FILES,
    SAMPLE,
    Catalog,
    Template,
    UnsoundCatalog,
    catalog_of,
    read_sample,
    read_template,
)


def parse(arguments: Sequence[str]) -> Namespace:
    """The command line; ends the process with its usage when that is wrong."""
    parser = ArgumentParser(prog="cv-templates", description="The catalog of CV templates.")
    commands = parser.add_subparsers(required=True)
    load = commands.add_parser("load", help="make the stored templates those of a folder")
    load.add_argument("folder", type=Path, help=f"holds {SAMPLE} and a folder for each template: {', '.join(FILES)}")
    return parser.parse_args(arguments)


async def run(context: Context, folder: Path, out: TextIO, err: TextIO) -> int:
    """Load the catalog in `folder` and say what became of each template. Returns the exit code."""
    try:
        outcomes = await actions.load_catalog(context, read_catalog(folder))
    except UnsoundCatalog as unsound:
        faults = unsound.faults
    except ServiceUnavailable as unavailable:
        faults = [unavailable.body["detail"]]
    except DATABASE_UNAVAILABLE as down:
        faults = [f"The database does not answer: {down}"]
    else:
        out.writelines(f"{slug}: {outcome}\n" for slug, outcome in outcomes.items())
        if any(outcome != Outcome.UNCHANGED for outcome in outcomes.values()):
            await asyncio.sleep(2 * actions.REFRESH_EVERY)  # whoever waits for this command finds them answered
        return 0
    err.write("\n  ".join([f"{folder} was not loaded:", *faults]) + "\n")
    return 1


def read_catalog(folder: Path) -> Catalog:
    """The catalog that a folder holds. Raises UnsoundCatalog with every fault of every file."""
    faults: list[str] = []
    sample = None
    try:
        sample = read_sample(_read(folder / SAMPLE))
    except UnsoundCatalog as unsound:
        faults += unsound.faults
    templates: list[Template] = []
    for place in _template_folders(folder):
        try:
            templates.append(read_template(place.name, {name: _read(place / name) for name in FILES}))
        except UnsoundCatalog as unsound:
            faults += unsound.faults
    if sample is None or faults:
        raise UnsoundCatalog(faults)
    return catalog_of(templates, sample)


def _template_folders(folder: Path) -> list[Path]:
    try:
        return sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith((".", "_")))
    except OSError as error:
        raise UnsoundCatalog([f"{folder}: {error.strerror}"]) from None


def _read(path: Path) -> str:
    """A file's text; none when there is no such file."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UnsoundCatalog([f"{path.parent.name}/{path.name}: {error}"]) from None
