"""Retention: anonymous resumes and idempotency keys are deleted after some time."""

from datetime import UTC, datetime, timedelta

from cv_resumes.actions.context import Context
from cv_resumes.actions.photos import delete_photo_files
from cv_resumes.actions.resumes import clean_up_deleted
from cv_resumes.repository import idempotency, resumes

_BATCH = 200
_KEY_LIFETIME = timedelta(days=2)


async def delete_abandoned(context: Context) -> None:
    """Delete the unpaid resumes of sessions that were not opened for a session's lifetime, and old keys."""
    now = datetime.now(UTC)
    before = now - timedelta(seconds=context.settings.session_lifetime)
    while True:
        async with context.database.transaction() as tx:
            deleted = await resumes.delete_abandoned(tx, before, _BATCH)
            photos = await clean_up_deleted(tx, deleted)
        await delete_photo_files(context, photos)
        if len(deleted) < _BATCH:
            break
    async with context.database.connection() as tx:
        while await idempotency.purge(tx, now - _KEY_LIFETIME):
            pass
