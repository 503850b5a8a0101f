"""Photos whose files are to be removed. A file goes before its row, so none is forgotten."""

from collections.abc import Sequence
from datetime import timedelta

from cv_common.kernel.database import Statement, Transaction
from sqlalchemy import Interval, String, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_resumes.tables import discarded_photos

_PATHS = bindparam("paths", type_=ARRAY(String))
_DISCARD = Statement(
    upsert(discarded_photos)
    .from_select(
        ["path", "remove_after"],
        select(func.unnest(_PATHS), func.now() + bindparam("after", type_=Interval)),
    )
    .on_conflict_do_nothing()
)
_FORGET = Statement(delete(discarded_photos).where(discarded_photos.c.path == func.any(_PATHS)))
_DISCARDED = Statement(
    select(discarded_photos.c.path)
    .where(discarded_photos.c.remove_after <= func.now())
    .order_by(discarded_photos.c.remove_after)
    .limit(100)
)


async def discard(tx: Transaction, paths: Sequence[str], after: timedelta = timedelta()) -> None:
    """The files of these photos are to be removed, `after` a while."""
    await tx.execute(_DISCARD, paths=list(paths), after=after)


async def discarded(tx: Transaction) -> list[str]:
    """Up to 100 photos whose files are to be removed by now."""
    return [row["path"] for row in await tx.fetch_all(_DISCARDED)]


async def forget(tx: Transaction, paths: Sequence[str]) -> None:
    """The files of these photos are gone, or a resume shows them."""
    await tx.execute(_FORGET, paths=list(paths))
