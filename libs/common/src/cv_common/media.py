"""Files behind one address: a folder, S3, Google Cloud Storage or Azure, through obstore."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from cv_common.errors import Unavailable

log = logging.getLogger(__name__)

_ABSENT = (NotFoundError, FileNotFoundError)


class Media:
    """The service's own files, by path (`pdfs/<key>.pdf`). Writes are atomic: a reader sees all of a file or none.

    Every method raises Unavailable when the store does not do what it is asked.
    """

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        self._store = _open(url, options or {})

    async def put(self, path: str, content: bytes) -> None:
        with _reachable():
            await self._store.put_async(path, content)

    async def get(self, path: str) -> bytes | None:
        """The file's content, or None when there is no such file, or none can be called so (`../x`)."""
        with _reachable(), suppress(*_ABSENT, ValueError):
            result = await self._store.get_async(path)
            return bytes(await result.bytes_async())
        return None

    async def delete(self, path: str) -> None:
        """Remove a file; one that is not there is no error."""
        with _reachable(), suppress(*_ABSENT):
            await self._store.delete_async(path)


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        log.error("the media store failed", extra={"error": f"{type(error).__name__}: {error}"})
        raise Unavailable("The media store is not available, try again later.") from error


def _open(url: str, options: Mapping[str, str]) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(Path(unquote(parts.path)), mkdir=True)
    # An endpoint that is named and not encrypted is one's own, in one's own network.
    plain = options.get("endpoint", "").startswith("http://")
    return from_url(url, config=cast("Any", dict(options)), client_options={"allow_http": plain})
