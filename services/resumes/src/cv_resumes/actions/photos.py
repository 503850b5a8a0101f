"""The files of photos.

No transaction covers both a file and the row of its resume. So an upload first schedules the deletion of its file. The
transaction that attaches the photo to a resume cancels the deletion, and the transaction that detaches the photo
schedules it again. The file is then deleted at once if possible, otherwise by `delete_due_photos`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from secrets import token_urlsafe

from cv_common.drf.forms import UploadedFile
from cv_common.kernel.database import DATABASE_UNAVAILABLE, Transaction
from cv_common.kernel.errors import NotFound, ServiceUnavailable, ValidationFailed

from cv_resumes.actions.context import Context
from cv_resumes.actions.decoding import rewrite_photo
from cv_resumes.domain.photos import NOT_A_FILE, BadPhoto
from cv_resumes.repository import photos, resumes

PUBLIC_FOLDER = "/media/resumes/photos/"
_MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png"}
_DECODER = asyncio.Semaphore(1)
"""One photo is decoded at a time: 25 megapixels take up to 500 MB."""
_DECODER_WAIT_SECONDS = 6
"""Less than the gateway waits for a response."""
_ATTACH_WITHIN = timedelta(hours=1)
"""The time until an upload that no resume uses is deleted. Longer than any request takes."""


async def store_photo(context: Context, photo: UploadedFile | str) -> str:
    """Store an uploaded photo, pending deletion until `attach_photo`. Returns its public path, which cannot be guessed.

    Raises ValidationFailed on `photo` and ServiceUnavailable.
    """
    if isinstance(photo, str):
        raise ValidationFailed.on("photo", NOT_A_FILE)
    try:
        async with _decoder():
            rewritten, extension = await asyncio.to_thread(rewrite_photo, photo.content)
    except BadPhoto as error:
        raise ValidationFailed.on("photo", str(error)) from None
    path = f"{PUBLIC_FOLDER}{token_urlsafe(24)}.{extension}"
    async with context.database.connection() as tx:
        await photos.schedule_deletion(tx, [path], _ATTACH_WITHIN)
    await context.media.put(_file(path), rewritten)
    return path


@asynccontextmanager
async def _decoder() -> AsyncIterator[None]:
    """Hold the decoder. Raises ServiceUnavailable if it is busy for too long."""
    try:
        async with asyncio.timeout(_DECODER_WAIT_SECONDS):
            await _DECODER.acquire()
    except TimeoutError:
        raise ServiceUnavailable from None
    try:
        yield
    finally:
        _DECODER.release()


async def attach_photo(tx: Transaction, path: str | None) -> None:
    """Cancel the deletion of a photo that `tx` attaches to a resume."""
    if path is not None:
        await photos.unschedule_deletion(tx, [path])


async def detach_photos(tx: Transaction, paths: Iterable[str | None]) -> list[str]:
    """Have the files of these photos deleted. Call `delete_photo_files` with the result after the commit of `tx`."""
    detached = [path for path in paths if path is not None]
    if detached:
        await photos.schedule_deletion(tx, detached)
    return detached


async def delete_photo_files(context: Context, paths: Sequence[str]) -> None:
    """Delete the files of detached photos now. `delete_due_photos` tries again what fails."""
    with suppress(ServiceUnavailable, *DATABASE_UNAVAILABLE):
        await _delete_files(context, paths)


async def delete_due_photos(context: Context) -> None:
    """Delete the files of all photos that are due. Raises ServiceUnavailable."""
    while True:
        async with context.database.connection() as tx:
            due = await photos.due_for_deletion(tx)
        if not due:
            return
        await _delete_files(context, due)


async def _delete_files(context: Context, paths: Sequence[str]) -> None:
    for path in paths:
        await context.media.delete(_file(path))
    if paths:
        async with context.database.connection() as tx:
            await photos.unschedule_deletion(tx, paths)


async def read_photo(context: Context, path: str | None) -> bytes | None:
    """Return the bytes of a resume's photo, if it has one."""
    return await context.media.get(_file(path)) if path is not None else None


async def find_photo(context: Context, name: str) -> tuple[bytes, str]:
    """Return the bytes and the media type of the photo with this file name. Raises NotFound if no resume uses it."""
    path = PUBLIC_FOLDER + name
    async with context.database.connection() as tx:
        is_used = await resumes.is_photo_in_use(tx, path)
    content = await context.media.get(_file(path)) if is_used else None
    if content is None:
        raise NotFound
    return content, _MEDIA_TYPES[name.rpartition(".")[2]]


def _file(path: str) -> str:
    return path.removeprefix("/media/resumes/")
