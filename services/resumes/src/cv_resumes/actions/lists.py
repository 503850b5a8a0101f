"""Lists of resumes, read and shaped a few at a time.

A resume of 256 KB can take 6 MB while it is a Python object, and an account may have 500 of them.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from cv_common.kernel.database import Row
from cv_common.kernel.identity import Caller

from cv_resumes.actions.context import Context, owner_of
from cv_resumes.domain.owners import Owner, new_session_id
from cv_resumes.domain.pages import Page
from cv_resumes.repository import owners, resumes

AT_A_TIME = 8
_READERS = asyncio.Semaphore(4)

Shape = Callable[[Row], bytes]
"""Makes a row what is answered of it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The first resumes of a list, those that come after, if there are more, and how many there are in all.

    `started` is the id of the session that the caller is given, if they are given one.
    """

    total: int
    begin: list[bytes]
    rest: AsyncIterator[list[bytes]] | None
    started: str | None = None


async def list_resumes(context: Context, caller: Caller, page: Page | None, shape: Shape) -> Listing:
    """The caller's resumes, newest first: all or one page of them.

    A visitor without a live session is given one. Nothing is stored of it until something is created in it.
    """
    owner = owner_of(caller)
    if owner is None:
        return Listing(0, [], None, new_session_id())
    reader = _Reader(context, owner, page or Page(sys.maxsize, 0), shape)
    begin = await reader.read()
    if page is None and not reader.left and begin:
        return Listing(len(begin), begin, None)
    async with context.database.connection() as tx:
        total = await resumes.count(tx, owner) if page is not None or reader.left else 0
        has_ended = total == 0 and owner.session_id is not None and await owners.is_ended(tx, owner.session_id)
    return Listing(total, begin, reader if reader.left else None, new_session_id() if has_ended else None)


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
