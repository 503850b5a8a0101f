"""Photos come, are shown, and go."""

import asyncio
from secrets import token_urlsafe

from cv_common.db import Row
from cv_common.errors import NotFound, ValidationFailed
from cv_common.forms import UploadedFile

from cv_resumes.actions.context import Context
from cv_resumes.domain.photos import BadPhoto, rewrite_photo
from cv_resumes.store import resumes

PUBLIC_FOLDER = "/media/resumes/photos/"
_MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png"}
_DECODERS = asyncio.Semaphore(2)
"""A photo of 25 megapixels takes 100 MB while it is decoded: only so many at a time."""


async def keep_photo(context: Context, upload: UploadedFile) -> str:
    """Store an uploaded photo; its public path, which nobody can guess. Raises ValidationFailed on `photo`."""
    try:
        async with _DECODERS:
            rewritten, extension = await asyncio.to_thread(rewrite_photo, upload.content)
    except BadPhoto as error:
        raise ValidationFailed.on("photo", str(error)) from None
    path = f"{PUBLIC_FOLDER}{token_urlsafe(24)}.{extension}"
    await context.media.put(_file(path), rewritten)
    return path


def photo_url(context: Context, row: Row) -> str | None:
    """The absolute address of a resume's photo, if it has one."""
    return context.settings.public_base_url + row["photo"] if row["photo"] else None


async def drop_photo(context: Context, path: str | None) -> None:
    """Remove a photo that no resume shows any more."""
    if path is not None:
        await context.media.delete(_file(path))


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
