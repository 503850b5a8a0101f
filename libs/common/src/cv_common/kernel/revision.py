"""Revisions: a publisher numbers the states of an entity, and consumers keep the state with the highest number."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, Table, bindparam
from sqlalchemy.dialects.postgresql import insert

from cv_common.kernel.database import Statement


def next_revision(current: int) -> int:
    """Return a revision above `current`, in milliseconds since 1970.

    The clock puts it above every revision in a backup restored from before now, so the states published after a
    restore win over the ones published before it.
    """
    return max(current + 1, time.time_ns() // 1_000_000)


def upsert_if_newer(table: Table, columns: Sequence[str], source: Select[Any] | None = None) -> Statement:
    """Build the statement that inserts a row, or updates the row with its primary key if its `revision` is lower.

    `columns` are the names of all columns that it writes, including the primary key and `revision`. The values are
    bound by these names, or come from `source`, a SELECT of the same columns:

        _UPSERT = upsert_if_newer(subscriptions, ["owner", "entitled_until", "revision"])
        await tx.execute(_UPSERT, owner="user:1", entitled_until=None, revision=7)
    """
    insertion = insert(table)
    if source is None:
        insertion = insertion.values({name: bindparam(name) for name in columns})
    else:
        insertion = insertion.from_select(columns, source)
    return Statement(
        insertion.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={name: insertion.excluded[name] for name in columns if name not in table.primary_key.columns},
            where=table.c.revision < insertion.excluded.revision,
        )
    )
