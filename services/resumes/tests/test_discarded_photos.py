"""Files of photos are deleted with their resume, also after failures of the media store."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cv_common.drf.forms import UploadedFile
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.identity import Caller
from cv_common.messaging.events import UserDeleted
from cv_resumes.actions.abandoned import delete_abandoned
from cv_resumes.actions.context import Context
from cv_resumes.actions.owners import on_user_deleted
from cv_resumes.actions.photos import delete_due_photos
from cv_resumes.actions.resumes import StaleVersion, change_resume, create_resume, delete_resume
from cv_resumes.domain.idempotency import IdempotencyKey
from PIL import Image

from services.resumes.tests.conftest import edit, new_resume

USER = Caller("gateway", user_id=7)


def photo() -> UploadedFile:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(out, "JPEG")
    return UploadedFile("me.jpg", out.getvalue())


async def write(context: Context, caller: Caller = USER) -> int:
    return (await create_resume(context, caller, new_resume(photo=photo()))).resume.id


def photos(media_folder: Path) -> list[Path]:
    return sorted((media_folder / "photos").glob("*"))


@contextmanager
def stuck(media_folder: Path) -> Iterator[None]:
    """A media store that cannot remove the photo which is there: a folder that is not empty has its name."""
    (path,) = photos(media_folder)
    aside = media_folder / "aside"
    path.rename(aside)
    path.mkdir()
    (path / "something").touch()
    yield
    (path / "something").unlink()
    path.rmdir()
    aside.rename(path)


async def delete(context: Context, resume_id: int) -> None:
    await delete_resume(context, USER, resume_id)


async def replace(context: Context, resume_id: int) -> None:
    assert (await change_resume(context, USER, resume_id, edit(photo=None))).photo is None


async def erase_account(context: Context, resume_id: int) -> None:
    await on_user_deleted(context, UserDeleted(user_id=7, revision=1))


@pytest.mark.parametrize("discard", [delete, replace, erase_account])
async def test_photo_whose_deletion_failed_is_deleted_later(context: Context, media_folder: Path, discard: Any) -> None:
    resume_id = await write(context)
    with stuck(media_folder):
        await discard(context, resume_id)
        with pytest.raises(ServiceUnavailable):
            await delete_due_photos(context)
    assert len(photos(media_folder)) == 1
    await delete_due_photos(context)
    assert photos(media_folder) == []


async def test_failing_photo_deletion_does_not_stop_the_deletion_of_abandoned_resumes(
    context: Context, media_folder: Path, database_url: str
) -> None:
    resume_id = await write(context, Caller("gateway", session_id="a"))
    with psycopg.connect(database_url) as connection:
        connection.execute("update resumes set last_accessed = %s", (datetime.now(UTC) - timedelta(days=91),))
    with stuck(media_folder):
        await delete_abandoned(context)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select 1 from resumes where id = %s", (resume_id,)).fetchall() == []
    await delete_due_photos(context)
    assert photos(media_folder) == []


@pytest.mark.parametrize("discard", [delete, replace, erase_account])
async def test_photo_is_deleted_at_once(context: Context, media_folder: Path, database_url: str, discard: Any) -> None:
    await discard(context, await write(context))
    assert photos(media_folder) == []
    assert waiting(database_url) == []


async def test_upload_that_no_resume_uses_is_deleted(context: Context, media_folder: Path, database_url: str) -> None:
    resume_id, key = await write(context), IdempotencyKey("k" * 22, "f")
    (shown,) = photos(media_folder)
    await create_resume(context, USER, new_resume(photo=None), key)
    await create_resume(context, USER, new_resume(photo=photo()), key)  # a repeated request
    with pytest.raises(StaleVersion):
        await change_resume(context, USER, resume_id, edit(photo=photo()), '"1"')
    await delete_due_photos(context)
    assert len(photos(media_folder)) == 3  # a photo has some time to find its resume
    with psycopg.connect(database_url) as connection:
        connection.execute("update discarded_photos set remove_after = remove_after - interval '1 hour'")
    await delete_due_photos(context)
    assert photos(media_folder) == [shown]
    assert waiting(database_url) == []


def waiting(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        return [path for (path,) in connection.execute("select path from discarded_photos")]
