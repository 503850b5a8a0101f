"""PDFs, the links under which they can be fetched, and the resumes that are gone."""

from datetime import timedelta

from cv_common.kernel.database import Row, Statement, Transaction
from sqlalchemy import BigInteger, Interval, bindparam, delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_renderer.tables import deleted_resumes, links, pdfs

_READY = pdfs.c.rendered_at.is_not(None) & pdfs.c.discarded_at.is_(None)
_FROM_NOW = func.now() + bindparam("seconds", type_=Interval)
_IDS = func.any(bindparam("ids", type_=ARRAY(BigInteger)))

_FIND_LINK = Statement(
    select(links.c.token, links.c.file_name, links.c.expires_at)
    .join(pdfs, pdfs.c.id == links.c.pdf_id)
    .where(
        _READY,
        pdfs.c.key == bindparam("key"),
        links.c.file_name == bindparam("file_name"),
        links.c.expires_at > _FROM_NOW,
    )
    .order_by(links.c.expires_at.desc())
    .limit(1)
)
_USED = (
    update(pdfs)
    .where(_READY, pdfs.c.key == bindparam("key"))
    .values(used_at=func.now())
    .returning(pdfs.c.id)
    .cte("used")
)
_ADD_LINK = Statement(
    insert(links)
    .from_select(
        ["token", "pdf_id", "file_name", "expires_at"],
        select(bindparam("token", type_=links.c.token.type), _USED.c.id, bindparam("file_name"), _FROM_NOW),
    )
    .returning(links.c.token, links.c.file_name, links.c.expires_at)
)
_IS_READY = Statement(select(literal(1).label("ready")).where(_READY, pdfs.c.key == bindparam("key")))
_IS_DELETED = Statement(
    select(deleted_resumes.c.resume_id).where(deleted_resumes.c.resume_id == bindparam("resume_id"))
)
_BEGIN = Statement(
    upsert(pdfs)
    .values(key=bindparam("key"), resume_id=bindparam("resume_id"), path=bindparam("path"))
    .on_conflict_do_update(
        index_elements=[pdfs.c.key], index_where=pdfs.c.discarded_at.is_(None), set_={"used_at": func.now()}
    )
    .returning(pdfs.c.id, pdfs.c.path)
)
_FINISH = Statement(
    update(pdfs)
    .where(pdfs.c.id == bindparam("pdf_id"), pdfs.c.discarded_at.is_(None))
    .values(rendered_at=func.now(), used_at=func.now())
)
_DISCARD = Statement(
    update(pdfs).where(pdfs.c.id == bindparam("pdf_id"), pdfs.c.discarded_at.is_(None)).values(discarded_at=func.now())
)
_OPEN = Statement(
    select(pdfs.c.id, pdfs.c.path)
    .join(links, links.c.pdf_id == pdfs.c.id)
    .where(
        _READY,
        links.c.token == bindparam("token"),
        links.c.file_name == bindparam("file_name"),
        links.c.expires_at > func.now(),
    )
)
_MARK_DELETED = Statement(upsert(deleted_resumes).values(resume_id=bindparam("resume_id")).on_conflict_do_nothing())
_DISCARD_OF_RESUME = Statement(
    update(pdfs)
    .where(pdfs.c.resume_id == bindparam("resume_id"), pdfs.c.discarded_at.is_(None))
    .values(discarded_at=func.now())
)
_IS_UNUSED = pdfs.c.discarded_at.is_(None) & (pdfs.c.used_at < func.now() - bindparam("seconds", type_=Interval))
_SOME_UNUSED = func.array(select(pdfs.c.id).where(_IS_UNUSED).limit(1000).scalar_subquery(), type_=ARRAY(BigInteger))
_DISCARD_UNUSED = Statement(
    update(pdfs).where(pdfs.c.id == func.any(_SOME_UNUSED), _IS_UNUSED).values(discarded_at=func.now())
)
_DISCARDED = Statement(
    select(pdfs.c.id, pdfs.c.path).where(pdfs.c.discarded_at.is_not(None)).order_by(pdfs.c.id).limit(100)
)
_FORGET = Statement(delete(pdfs).where(pdfs.c.id == _IDS, pdfs.c.discarded_at.is_not(None)))
_SOME_EXPIRED = func.array(
    select(links.c.token).where(links.c.expires_at < func.now()).limit(1000).scalar_subquery(),
    type_=ARRAY(links.c.token.type),
)
_FORGET_LINKS = Statement(delete(links).where(links.c.token == func.any(_SOME_EXPIRED)))


async def find_link(tx: Transaction, key: str, file_name: str, valid_for: timedelta) -> Row | None:
    """token, file_name and expires_at of a link to the PDF of this key that stays valid so long."""
    return await tx.fetch_one(_FIND_LINK, key=key, file_name=file_name, seconds=valid_for)


async def add_link(tx: Transaction, key: str, file_name: str, token: str, lifetime: timedelta) -> Row | None:
    """A new link to the PDF of this key; None when there is no such PDF."""
    return await tx.fetch_one(_ADD_LINK, key=key, file_name=file_name, token=token, seconds=lifetime)


async def is_ready(tx: Transaction, key: str) -> bool:
    """Whether a PDF of this key can be linked to."""
    return await tx.fetch_one(_IS_READY, key=key) is not None


async def begin(tx: Transaction, key: str, resume_id: int, path: str) -> Row | None:
    """id and path of the PDF whose file comes now; None when its resume was deleted.

    Somebody who got no further has left a row: it is taken over with its path, so no file is left behind.
    """
    await tx.lock("resume", resume_id)
    if await tx.fetch_one(_IS_DELETED, resume_id=resume_id) is not None:
        return None
    return await tx.fetch_one(_BEGIN, key=key, resume_id=resume_id, path=path)


async def finish(tx: Transaction, pdf_id: int) -> bool:
    """The file is there. False when it was discarded meanwhile."""
    return await tx.execute(_FINISH, pdf_id=pdf_id) == 1


async def discard(tx: Transaction, pdf_id: int) -> None:
    """Nobody gets this PDF any more; its file is to be removed."""
    await tx.execute(_DISCARD, pdf_id=pdf_id)


async def open_link(tx: Transaction, token: str, file_name: str) -> Row | None:
    """id and path of the PDF behind a link that has not expired."""
    return await tx.fetch_one(_OPEN, token=token, file_name=file_name)


async def delete_resume(tx: Transaction, resume_id: int) -> None:
    """Discard a resume's PDFs, and take no new ones."""
    await tx.lock("resume", resume_id)
    await tx.execute(_MARK_DELETED, resume_id=resume_id)
    await tx.execute(_DISCARD_OF_RESUME, resume_id=resume_id)


async def discard_unused(tx: Transaction, unused_for: timedelta) -> int:
    """Discard some of the PDFs that got no link for so long. How many those were."""
    return await tx.execute(_DISCARD_UNUSED, seconds=unused_for)


async def forget_links(tx: Transaction) -> int:
    """Forget some of the links that have expired. How many those were."""
    return await tx.execute(_FORGET_LINKS)


async def discarded(tx: Transaction) -> list[Row]:
    """id and path of up to 100 PDFs to be removed."""
    return await tx.fetch_all(_DISCARDED)


async def forget(tx: Transaction, pdf_ids: list[int]) -> None:
    """The files of these discarded PDFs are gone."""
    await tx.execute(_FORGET, ids=pdf_ids)
