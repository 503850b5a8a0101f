"""What payments stores about resumes."""

from cv_common.kernel.database import Query, Statement, Transaction
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.domain.payments import ResumePaymentState
from cv_payments.tables import resumes

_BY_ID = resumes.c.id == bindparam("resume_id")
_LOCK_OR_ADD = Query(
    upsert(resumes)
    .values(id=bindparam("resume_id"))
    .on_conflict_do_update(index_elements=["id"], set_={"id": resumes.c.id})
    .returning(resumes),
    ResumePaymentState,
)
_FIND = Query(select(resumes).where(_BY_ID), ResumePaymentState)
_MARK_PUBLISHED = Statement(
    update(resumes).where(_BY_ID).values(paid=bindparam("paid"), revision=bindparam("revision"))
)
_MARK_DELETED = Statement(update(resumes).where(_BY_ID).values(deleted_at=func.now()))


async def lock(tx: Transaction, resume_id: int) -> ResumePaymentState:
    """Keep other transactions from changing this resume's payments until `tx` ends. A new resume is added."""
    resume = await tx.fetch_one(_LOCK_OR_ADD, resume_id=resume_id)
    assert resume is not None
    return resume


async def find(tx: Transaction, resume_id: int) -> ResumePaymentState | None:
    """Return what is known about a resume; None when it was neither paid nor deleted."""
    return await tx.fetch_one(_FIND, resume_id=resume_id)


async def mark_published(tx: Transaction, resume: ResumePaymentState, paid: bool, revision: int) -> None:
    """Store what is now published about a locked resume."""
    await tx.execute(_MARK_PUBLISHED, resume_id=resume.id, paid=paid, revision=revision)


async def mark_deleted(tx: Transaction, resume: ResumePaymentState) -> None:
    """Mark a locked resume deleted."""
    await tx.execute(_MARK_DELETED, resume_id=resume.id)
