"""Files behind one address: a folder, S3, Google Cloud Storage or Azure, through obstore."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.exceptions import NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url


class Media:
    """The service's own files, by path (`pdfs/<key>.pdf`). Writes are atomic: a reader sees all of a file or none."""

    name = "media"

    def __init__(self, url: str) -> None:
        self._store = _open(url)

    async def put(self, path: str, content: bytes) -> None:
        await self._store.put_async(path, content)

    async def get(self, path: str) -> bytes | None:
        """The file's content, or None when there is no such file."""
        try:
            result = await self._store.get_async(path)
            return bytes(await result.bytes_async())
        except (NotFoundError, FileNotFoundError):
            return None

    async def delete(self, path: str) -> None:
        """Remove a file; one that is not there is no error."""
        with suppress(NotFoundError, FileNotFoundError):
            await self._store.delete_async(path)


def _open(url: str) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(Path(unquote(parts.path)), mkdir=True)
    return from_url(url)
