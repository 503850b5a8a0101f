"""Lists of resumes, read and shaped a few at a time.

A resume of 256 KB can take 6 MB while it is a Python object, and an account may have 500 of them.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from cv_common.db import Row
from cv_common.identity import Caller

from cv_resumes.actions.context import Context, owner_of
from cv_resumes.domain.owners import Owner
from cv_resumes.domain.pages import Page
from cv_resumes.store import resumes

AT_A_TIME = 8
_READERS = asyncio.Semaphore(4)

Shape = Callable[[Row], bytes]
"""Makes a row what is answered of it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The first resumes of a list, those that come after, if there are more, and how many there are in all."""

    total: int
    begin: list[bytes]
    rest: AsyncIterator[list[bytes]] | None


async def list_resumes(context: Context, caller: Caller, page: Page | None, shape: Shape) -> Listing:
    """The caller's resumes, newest first: all or one page of them."""
    owner = owner_of(caller)
    if owner is None:
        return Listing(0, [], None)
    reader = _Reader(context, owner, page or Page(sys.maxsize, 0), shape)
    begin = await reader.read()
    if page is None and not reader.left:
        return Listing(len(begin), begin, None)
    async with context.database.connection() as tx:
        total = await resumes.count(tx, owner)
    return Listing(total, begin, reader if reader.left else None)


class _Reader:
    """Reads on where it stopped: what is written or deleted meanwhile moves no other resume."""

    def __init__(self, context: Context, owner: Owner, page: Page, shape: Shape) -> None:
        self._context, self._owner, self._shape = context, owner, shape
        self._offset, self._after = page.offset, resumes.START
        self.left = page.limit
        """How many more there may be."""

    async def read(self) -> list[bytes]:
        """The next few."""
        limit = min(AT_A_TIME, self.left)
        async with _READERS, self._context.database.connection() as tx:
            rows = await resumes.owned_by(tx, self._owner, self._after, limit, self._offset)
            self._offset, self._after = 0, resumes.place(rows[-1]) if rows else self._after
            self.left = self.left - limit if len(rows) == limit else 0
            return [self._shape(row) for row in rows]

    def __aiter__(self) -> AsyncIterator[list[bytes]]:
        return self

    async def __anext__(self) -> list[bytes]:
        if not self.left or not (few := await self.read()):
            raise StopAsyncIteration
        return few
