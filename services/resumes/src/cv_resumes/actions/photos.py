"""Photos come, are shown, and go.

A photo's file and the resume that shows it cannot be written, nor removed, together. So a photo is born discarded, for
some time from then on, until the transaction of a resume keeps it; and it is discarded again by the transaction that
takes it from the resume. The files of discarded photos are removed at once if that can be, and else by the clock.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from secrets import token_urlsafe

from cv_common.drf.forms import UploadedFile
from cv_common.kernel.database import DATABASE_UNAVAILABLE, Row, Transaction
from cv_common.kernel.errors import NotFound, ServiceUnavailable, ValidationFailed

from cv_resumes.actions.context import Context
from cv_resumes.actions.decoding import rewrite_photo
from cv_resumes.domain.photos import BadPhoto
from cv_resumes.repository import photos, resumes

PUBLIC_FOLDER = "/media/resumes/photos/"
_MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png"}
_DECODER = asyncio.Semaphore(1)
"""A photo of 25 megapixels takes up to 500 MB while it is decoded: one at a time."""
_PATIENCE = 6
"""Seconds that a photo waits for those before it: less than the gateway waits for an answer."""
_UNSHOWN = timedelta(hours=1)
"""How long a new photo waits for its resume: longer than any request takes."""


async def take_photo(context: Context, upload: UploadedFile) -> str:
    """Store an uploaded photo; its public path, which nobody can guess. It stays only if `keep_photo` is called.

    Raises ValidationFailed on `photo` and ServiceUnavailable.
    """
    try:
        async with _decoder():
            rewritten, extension = await asyncio.to_thread(rewrite_photo, upload.content)
    except BadPhoto as error:
        raise ValidationFailed.on("photo", str(error)) from None
    path = f"{PUBLIC_FOLDER}{token_urlsafe(24)}.{extension}"
    async with context.database.connection() as tx:
        await photos.discard(tx, [path], _UNSHOWN)
    await context.media.put(_file(path), rewritten)
    return path


@asynccontextmanager
async def _decoder() -> AsyncIterator[None]:
    """The place where photos are decoded. Raises ServiceUnavailable when too many others wait for it."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await _DECODER.acquire()
    except TimeoutError:
        raise ServiceUnavailable from None
    try:
        yield
    finally:
        _DECODER.release()


async def keep_photo(tx: Transaction, path: str | None) -> None:
    """A resume that `tx` writes shows this photo, if it shows a new one."""
    if path is not None:
        await photos.forget(tx, [path])


async def discard_photos(tx: Transaction, paths: Iterable[str | None]) -> list[str]:
    """The photos that resumes show no more once `tx` commits: whoever commits it calls `remove_photos` with them."""
    discarded = [path for path in paths if path is not None]
    if discarded:
        await photos.discard(tx, discarded)
    return discarded


async def remove_photos(context: Context, discarded: Sequence[str]) -> None:
    """Remove the files of discarded photos now. What fails is left to `remove_discarded_photos`."""
    with suppress(ServiceUnavailable, *DATABASE_UNAVAILABLE):
        await _remove(context, discarded)


async def remove_discarded_photos(context: Context) -> None:
    """Remove the files of all photos that were discarded. Raises ServiceUnavailable."""
    while True:
        async with context.database.connection() as tx:
            discarded = await photos.discarded(tx)
        if not discarded:
            return
        await _remove(context, discarded)


async def _remove(context: Context, discarded: Sequence[str]) -> None:
    for path in discarded:
        await context.media.delete(_file(path))
    if discarded:
        async with context.database.connection() as tx:
            await photos.forget(tx, discarded)


def photo_url(context: Context, row: Row) -> str | None:
    """The absolute address of a resume's photo, if it has one."""
    return context.settings.public_base_url + row["photo"] if row["photo"] else None


async def read_photo(context: Context, path: str | None) -> bytes | None:
    """A resume's photo, for its PDF."""
    return await context.media.get(_file(path)) if path is not None else None


async def show_photo(context: Context, name: str) -> tuple[bytes, str]:
    """The photo behind a public name, and its media type. Raises NotFound when no resume shows it."""
    path = PUBLIC_FOLDER + name
    async with context.database.connection() as tx:
        shown = await resumes.has_photo(tx, path)
    content = await context.media.get(_file(path)) if shown else None
    if content is None:
        raise NotFound
    return content, _MEDIA_TYPES[name.rpartition(".")[2]]


def _file(path: str) -> str:
    return path.removeprefix("/media/resumes/")
