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
    shown = page or Page(sys.maxsize, 0)
    chunks = _read_chunks(context, owner, shown, serialize)
    first_chunk: list[bytes] = await anext(chunks, [])
    has_more = len(first_chunk) == CHUNK_SIZE < shown.limit
    if page is None and not has_more and first_chunk:
        return ResumeList(len(first_chunk), first_chunk, None)
    async with context.database.connection() as tx:
        total = await resumes.count(tx, owner) if page is not None or has_more else 0
        has_ended = total == 0 and owner.session_id is not None and await owners.is_ended(tx, owner.session_id)
    return ResumeList(total, first_chunk, chunks if has_more else None, new_session_id() if has_ended else None)


async def _read_chunks(context: Context, owner: Owner, page: Page, serialize: Serialize) -> AsyncIterator[list[bytes]]:
    """Yield chunks. Each starts after the last resume of the one before, so that concurrent edits shift nothing."""
    after, offset, remaining = resumes.START, page.offset, page.limit
    while remaining:
        limit = min(CHUNK_SIZE, remaining)
        async with _READERS, context.database.connection() as tx:
            chunk = await resumes.list_owned(tx, owner, after, limit, offset)
            items = [serialize(resume) for resume in chunk]
        if not chunk:
            return
        after, offset = (chunk[-1].created_at, chunk[-1].id), 0
        remaining = remaining - limit if len(chunk) == limit else 0
        del chunk  # the generator keeps its variables while the response is sent
        yield items
