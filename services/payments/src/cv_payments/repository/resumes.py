"""What payments knows of resumes."""

from dataclasses import dataclass
from datetime import datetime

from cv_common.kernel.database import Statement, Transaction
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.tables import resumes


@dataclass(frozen=True, slots=True)
class Resume:
    """What was last told of a resume: whether it is paid, and under which revision."""

    id: int
    paid: bool
    revision: int
    deleted_at: datetime | None


_BY_ID = resumes.c.id == bindparam("resume_id")
_LOCK = Statement(
    upsert(resumes)
    .values(id=bindparam("resume_id"))
    .on_conflict_do_update(index_elements=["id"], set_={"id": resumes.c.id})
    .returning(resumes)
)
_GET = Statement(select(resumes).where(_BY_ID))
_TELL = Statement(update(resumes).where(_BY_ID).values(paid=bindparam("paid"), revision=bindparam("revision")))
_DELETED = Statement(update(resumes).where(_BY_ID).values(deleted_at=func.now()))


async def lock(tx: Transaction, resume_id: int) -> Resume:
    """Let nobody else change this resume's payments until `tx` ends."""
    row = await tx.fetch_one(_LOCK, resume_id=resume_id)
    assert row is not None
    return Resume(**row)


async def get(tx: Transaction, resume_id: int) -> Resume | None:
    """What is known of a resume; None when nobody ever wanted to pay for it."""
    row = await tx.fetch_one(_GET, resume_id=resume_id)
    return Resume(**row) if row else None


async def tell(tx: Transaction, resume: Resume, paid: bool, revision: int) -> None:
    """Remember what is now told of a locked resume."""
    await tx.execute(_TELL, resume_id=resume.id, paid=paid, revision=revision)


async def mark_deleted(tx: Transaction, resume: Resume) -> None:
    """A locked resume is gone."""
    await tx.execute(_DELETED, resume_id=resume.id)
