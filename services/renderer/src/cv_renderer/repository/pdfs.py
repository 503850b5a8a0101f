"""PDFs, the links to them, and the ids of deleted resumes."""

from datetime import timedelta

from cv_common.kernel.database import Query, Scalar, Statement, Transaction
from sqlalchemy import BigInteger, Interval, bindparam, delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_renderer.domain.pdfs import PdfLink, StoredPdf
from cv_renderer.tables import deleted_resumes, links, pdfs

_IS_KEPT = pdfs.c.discarded_at.is_(None)
_HAS_FILE = pdfs.c.rendered_at.is_not(None) & _IS_KEPT
_FROM_NOW = func.now() + bindparam("seconds", type_=Interval)

_FIND_LINK = Query(
    select(links.c.token, links.c.file_name, links.c.expires_at)
    .join(pdfs, pdfs.c.id == links.c.pdf_id)
    .where(
        _HAS_FILE,
        pdfs.c.key == bindparam("key"),
        links.c.file_name == bindparam("file_name"),
        links.c.expires_at > _FROM_NOW,
    )
    .order_by(links.c.expires_at.desc())
    .limit(1),
    PdfLink,
)
_MARK_USED = (
    update(pdfs)
    .where(_HAS_FILE, pdfs.c.key == bindparam("key"))
    .values(used_at=func.now())
    .returning(pdfs.c.id)
    .cte("used")
)
_ADD_LINK = Query(
    insert(links)
    .from_select(
        ["token", "pdf_id", "file_name", "expires_at"],
        select(bindparam("token", type_=links.c.token.type), _MARK_USED.c.id, bindparam("file_name"), _FROM_NOW),
    )
    .returning(links.c.token, links.c.file_name, links.c.expires_at),
    PdfLink,
)
_IS_RENDERED = Scalar(select(literal(1).label("found")).where(_HAS_FILE, pdfs.c.key == bindparam("key")), int)
_FIND_DELETED_RESUME = Scalar(
    select(deleted_resumes.c.resume_id).where(deleted_resumes.c.resume_id == bindparam("resume_id")), int
)
_BEGIN_PDF = Query(
    upsert(pdfs)
    .values(key=bindparam("key"), resume_id=bindparam("resume_id"), path=bindparam("path"))
    .on_conflict_do_update(index_elements=[pdfs.c.key], index_where=_IS_KEPT, set_={"used_at": func.now()})
    .returning(pdfs.c.id, pdfs.c.path),
    StoredPdf,
)
_FINISH_PDF = Statement(
    update(pdfs).where(pdfs.c.id == bindparam("pdf_id"), _IS_KEPT).values(rendered_at=func.now(), used_at=func.now())
)
_DISCARD = update(pdfs).where(_IS_KEPT).values(discarded_at=func.now())
_DISCARD_PDF = Statement(_DISCARD.where(pdfs.c.id == bindparam("pdf_id")))
_FIND_LINKED_PDF = Query(
    select(pdfs.c.id, pdfs.c.path)
    .join(links, links.c.pdf_id == pdfs.c.id)
    .where(
        _HAS_FILE,
        links.c.token == bindparam("token"),
        links.c.file_name == bindparam("file_name"),
        links.c.expires_at > func.now(),
    ),
    StoredPdf,
)
_ADD_DELETED_RESUME = Statement(
    upsert(deleted_resumes).values(resume_id=bindparam("resume_id")).on_conflict_do_nothing()
)
_DISCARD_RESUME_PDFS = Statement(_DISCARD.where(pdfs.c.resume_id == bindparam("resume_id")))
_IS_UNUSED = _IS_KEPT & (pdfs.c.used_at < func.now() - bindparam("seconds", type_=Interval))
_UNUSED_BATCH = func.array(select(pdfs.c.id).where(_IS_UNUSED).limit(1000).scalar_subquery(), type_=ARRAY(BigInteger))
_DISCARD_UNUSED = Statement(_DISCARD.where(pdfs.c.id == func.any(_UNUSED_BATCH), _IS_UNUSED))
_LIST_DISCARDED = Query(
    select(pdfs.c.id, pdfs.c.path).where(pdfs.c.discarded_at.is_not(None)).order_by(pdfs.c.id).limit(100), StoredPdf
)
_DELETE_DISCARDED = Statement(
    delete(pdfs).where(
        pdfs.c.id == func.any(bindparam("ids", type_=ARRAY(BigInteger))), pdfs.c.discarded_at.is_not(None)
    )
)
_EXPIRED_BATCH = func.array(
    select(links.c.token).where(links.c.expires_at < func.now()).limit(1000).scalar_subquery(),
    type_=ARRAY(links.c.token.type),
)
_DELETE_EXPIRED_LINKS = Statement(delete(links).where(links.c.token == func.any(_EXPIRED_BATCH)))


async def find_link(tx: Transaction, key: str, file_name: str, valid_for: timedelta) -> PdfLink | None:
    """Return the link to the PDF with this key that expires last, if it is valid for at least `valid_for`."""
    return await tx.fetch_one(_FIND_LINK, key=key, file_name=file_name, seconds=valid_for)


async def add_link(tx: Transaction, key: str, file_name: str, token: str, lifetime: timedelta) -> PdfLink | None:
    """Add a link to the PDF with this key. Returns None if there is no such PDF."""
    return await tx.fetch_one(_ADD_LINK, key=key, file_name=file_name, token=token, seconds=lifetime)


async def is_rendered(tx: Transaction, key: str) -> bool:
    """Return whether the PDF with this key is stored."""
    return await tx.fetch_one(_IS_RENDERED, key=key) is not None


async def begin_pdf(tx: Transaction, key: str, resume_id: int, path: str) -> StoredPdf | None:
    """Add the row of a PDF before its file is written. Returns None if the resume is deleted.

    A row that an interrupted render left is reused with its path, so that no file is orphaned.
    """
    await tx.lock("resume", resume_id)
    if await tx.fetch_one(_FIND_DELETED_RESUME, resume_id=resume_id) is not None:
        return None
    return await tx.fetch_one(_BEGIN_PDF, key=key, resume_id=resume_id, path=path)


async def finish_pdf(tx: Transaction, pdf_id: int) -> bool:
    """Record that the file is written. Returns False if the PDF was discarded meanwhile."""
    return await tx.execute(_FINISH_PDF, pdf_id=pdf_id) == 1


async def discard_pdf(tx: Transaction, pdf_id: int) -> None:
    """Mark a PDF as discarded."""
    await tx.execute(_DISCARD_PDF, pdf_id=pdf_id)


async def find_linked_pdf(tx: Transaction, token: str, file_name: str) -> StoredPdf | None:
    """Return the PDF behind a link that has not expired."""
    return await tx.fetch_one(_FIND_LINKED_PDF, token=token, file_name=file_name)


async def mark_resume_deleted(tx: Transaction, resume_id: int) -> None:
    """Discard the PDFs of a resume, and record that it is deleted so that `begin_pdf` adds no more."""
    await tx.lock("resume", resume_id)
    await tx.execute(_ADD_DELETED_RESUME, resume_id=resume_id)
    await tx.execute(_DISCARD_RESUME_PDFS, resume_id=resume_id)


async def discard_unused(tx: Transaction, unused_for: timedelta) -> int:
    """Discard a batch of PDFs that got no new link for `unused_for`. Returns their number."""
    return await tx.execute(_DISCARD_UNUSED, seconds=unused_for)


async def delete_expired_links(tx: Transaction) -> int:
    """Delete a batch of expired links. Returns their number."""
    return await tx.execute(_DELETE_EXPIRED_LINKS)


async def list_discarded(tx: Transaction) -> list[StoredPdf]:
    """Return up to 100 discarded PDFs, oldest first."""
    return await tx.fetch_all(_LIST_DISCARDED)


async def delete_discarded(tx: Transaction, pdf_ids: list[int]) -> None:
    """Delete the rows of discarded PDFs."""
    await tx.execute(_DELETE_DISCARDED, ids=pdf_ids)
