"""Lists of resumes, read and serialized in chunks.

A resume of 256 KB can take 6 MB as a Python object, and an account may have 500 of them.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from cv_common.kernel.identity import Caller

from cv_resumes.actions.context import Context, owner_of
from cv_resumes.domain.owners import Owner, new_session_id
from cv_resumes.domain.pages import Page
from cv_resumes.domain.resumes import Resume
from cv_resumes.repository import owners, resumes

CHUNK_SIZE = 8
_READERS = asyncio.Semaphore(4)

Serialize = Callable[[Resume], bytes]


@dataclass(frozen=True, slots=True)
class ResumeList:
    """The first chunk of a list, an iterator over the other chunks if there are more, and the number of all items.

    `started_session` is the id of the session that the response starts, if any.
    """

    total: int
    first_chunk: list[bytes]
    other_chunks: AsyncIterator[list[bytes]] | None
    started_session: str | None = None


async def list_resumes(context: Context, caller: Caller, page: Page | None, serialize: Serialize) -> ResumeList:
    """Return the caller's resumes, newest first: all of them, or one page.

    A visitor without a live session gets a new one. Nothing is stored for it until a resume is created in it.
    """
    owner = owner_of(caller)
    if owner is None:
        return ResumeList(0, [], None, new_session_id())
    reader = _ChunkReader(context, owner, page or Page(sys.maxsize, 0), serialize)
    first_chunk = await reader.read()
    if page is None and not reader.remaining and first_chunk:
        return ResumeList(len(first_chunk), first_chunk, None)
    async with context.database.connection() as tx:
        total = await resumes.count(tx, owner) if page is not None or reader.remaining else 0
        has_ended = total == 0 and owner.session_id is not None and await owners.is_ended(tx, owner.session_id)
    return ResumeList(total, first_chunk, reader if reader.remaining else None, new_session_id() if has_ended else None)


class _ChunkReader:
    """Reads each chunk after the last resume of the one before, so that concurrent edits shift nothing."""

    def __init__(self, context: Context, owner: Owner, page: Page, serialize: Serialize) -> None:
        self._context, self._owner, self._serialize = context, owner, serialize
        self._offset, self._after = page.offset, resumes.START
        self.remaining = page.limit
        """How many more resumes there may be."""

    async def read(self) -> list[bytes]:
        """Return the next chunk."""
        limit = min(CHUNK_SIZE, self.remaining)
        async with _READERS, self._context.database.connection() as tx:
            chunk = await resumes.list_owned(tx, self._owner, self._after, limit, self._offset)
            self._offset = 0
            if chunk:
                self._after = (chunk[-1].created_at, chunk[-1].id)
            self.remaining = self.remaining - limit if len(chunk) == limit else 0
            return [self._serialize(resume) for resume in chunk]

    def __aiter__(self) -> AsyncIterator[list[bytes]]:
        return self

    async def __anext__(self) -> list[bytes]:
        if not self.remaining or not (chunk := await self.read()):
            raise StopAsyncIteration
        return chunk
