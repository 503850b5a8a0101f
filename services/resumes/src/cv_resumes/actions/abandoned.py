"""What nobody will come back for is erased."""

from datetime import UTC, datetime, timedelta

from cv_resumes.actions.context import Context
from cv_resumes.actions.photos import discard_photos, remove_photos
from cv_resumes.actions.resumes import tell_deleted
from cv_resumes.repository import keys, resumes

_BATCH = 200
_KEYS_LAST = timedelta(days=2)


async def erase_abandoned(context: Context) -> None:
    """Erase the unpaid resumes of sessions that nobody has opened for as long as a session lasts."""
    now = datetime.now(UTC)
    before = now - timedelta(seconds=context.settings.session_lifetime)
    while True:
        async with context.database.transaction() as tx:
            removed = await resumes.remove_abandoned(tx, before, _BATCH)
            for resume in removed:
                await tell_deleted(tx, resume)
            discarded = await discard_photos(tx, [resume["photo"] for resume in removed])
        await remove_photos(context, discarded)
        if len(removed) < _BATCH:
            break
    async with context.database.connection() as tx:
        while await keys.forget_keys(tx, now - _KEYS_LAST):
            pass
