"""The engine's version: a hash of everything, besides the job itself, that decides how a result looks."""

import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

_PACKAGE = "cv_renderer"
_ROOMS = ("domain", "engine")


def engine_version(*libraries: str) -> str:
    """Our rules, code and fonts, and the given versions of libraries, as one hash."""
    return hashlib.sha256("\n".join([_own_version(), *libraries]).encode()).hexdigest()


@cache
def _own_version() -> str:
    digest = hashlib.sha256()
    for room in _ROOMS:
        _add(digest, files(_PACKAGE) / room)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", folder: Traversable) -> None:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name != "__pycache__":
            _add(digest, entry)
        elif entry.is_file():
            digest.update(entry.name.encode())
            digest.update(entry.read_bytes())
