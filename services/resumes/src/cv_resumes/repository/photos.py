"""Photos whose files are to be deleted. The file is deleted before the row, so every file has a row."""

from collections.abc import Sequence
from datetime import timedelta

from cv_common.kernel.database import Scalar, Statement, Transaction
from sqlalchemy import Interval, String, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from cv_resumes.tables import discarded_photos

_PATHS = bindparam("paths", type_=ARRAY(String))
_SCHEDULE = Statement(
    insert(discarded_photos)
    .from_select(
        ["path", "remove_after"],
        select(func.unnest(_PATHS), func.now() + bindparam("after", type_=Interval)),
    )
    .on_conflict_do_nothing()
)
_UNSCHEDULE = Statement(delete(discarded_photos).where(discarded_photos.c.path == func.any(_PATHS)))
_DUE = Scalar(
    select(discarded_photos.c.path)
    .where(discarded_photos.c.remove_after <= func.now())
    .order_by(discarded_photos.c.remove_after)
    .limit(100),
    str,
)


async def schedule_deletion(tx: Transaction, paths: Sequence[str], after: timedelta = timedelta()) -> None:
    """Have the files of these photos deleted, at the earliest `after` this time."""
    await tx.execute(_SCHEDULE, paths=list(paths), after=after)


async def due_for_deletion(tx: Transaction) -> list[str]:
    """Return up to 100 photos whose files are to be deleted now."""
    return await tx.fetch_all(_DUE)


async def unschedule_deletion(tx: Transaction, paths: Sequence[str]) -> None:
    """Cancel the deletion of photos that a resume uses, or whose files are deleted."""
    await tx.execute(_UNSCHEDULE, paths=list(paths))
