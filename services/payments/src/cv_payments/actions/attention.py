"""What waits for a person: events that fit nothing, and events or calls that failed for good."""

from collections.abc import Collection
from typing import Literal

from cv_common.kernel.database import Database

from cv_payments.repository import work
from cv_payments.repository.work import Stuck

Pile = Literal["events", "calls"]
_PILES = {"events": work.events, "calls": work.calls}


async def stuck(database: Database, pile: Pile, keys: Collection[str] = ()) -> list[Stuck]:
    """What is stuck in a pile, oldest first; with `keys`, of those only."""
    async with database.connection() as tx:
        return [each for each in await _PILES[pile].stuck(tx) if not keys or each.key in keys]


async def retry(database: Database, pile: Pile, keys: Collection[str] = ()) -> list[Stuck]:
    """Have the worker try it again from the beginning. What was stuck."""
    found = await stuck(database, pile, keys)
    async with database.transaction() as tx:
        for each in found:
            await _PILES[pile].retry(tx, each.key)
    return found


async def dismiss(database: Database, pile: Pile, keys: Collection[str]) -> list[Stuck]:
    """Leave it as it is: somebody has looked at it, and nothing follows from it. What was stuck."""
    found = await stuck(database, pile, keys)
    async with database.transaction() as tx:
        for each in found:
            await _PILES[pile].dismiss(tx, each.key)
    return found
