"""The engine's version: a hash of everything, except the job, that affects how a PDF looks."""

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = ("domain", "engine")


def engine_version(*libraries: str) -> str:
    """Return a hash of the code and fonts of this package and of the given versions of libraries."""
    return hashlib.sha256("\n".join([_package_hash(), *libraries]).encode()).hexdigest()


@cache
def _package_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(path for folder in _FOLDERS for path in (_PACKAGE / folder).rglob("*")):
        if path.is_file() and path.parent.name != "__pycache__":
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
