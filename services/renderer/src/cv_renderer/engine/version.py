"""The engine's version: a hash of everything, except the job, that affects how a PDF looks."""

import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

_PACKAGE = "cv_renderer"
_FOLDERS = ("domain", "engine")


def engine_version(*libraries: str) -> str:
    """A hash of the code and fonts of this package and of the given versions of libraries."""
    return hashlib.sha256("\n".join([_package_hash(), *libraries]).encode()).hexdigest()


@cache
def _package_hash() -> str:
    digest = hashlib.sha256()
    for folder in _FOLDERS:
        _add(digest, files(_PACKAGE) / folder)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", folder: Traversable) -> None:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name != "__pycache__":
            _add(digest, entry)
        elif entry.is_file():
            digest.update(entry.name.encode())
            digest.update(entry.read_bytes())
