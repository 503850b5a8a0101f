"""The state of payments, from their events: paid resumes, and the end of each owner's subscription."""

from datetime import datetime

from cv_common.kernel.database import Scalar, Statement, Transaction
from cv_common.kernel.revision import upsert_if_newer
from sqlalchemy import BigInteger, Boolean, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from cv_resumes.domain.owners import Owner
from cv_resumes.tables import resume_payments, resumes, subscriptions

_EXISTING_RESUME = (
    select(resumes.c.id, bindparam("paid", type_=Boolean), bindparam("revision", type_=BigInteger))
    .where(resumes.c.id == bindparam("resume_id"))
    .with_for_update(read=True, key_share=True)
)
_UPSERT_PAYMENT = upsert_if_newer(resume_payments, ["resume_id", "paid", "revision"], _EXISTING_RESUME)
_UPSERT_SUBSCRIPTION = upsert_if_newer(subscriptions, ["owner", "entitled_until", "revision"])
_GIVEN = insert(subscriptions).values(owner=bindparam("owner"), entitled_until=bindparam("entitled_until"), revision=0)
_EXTEND_SUBSCRIPTION = Statement(
    _GIVEN.on_conflict_do_update(
        index_elements=["owner"],
        set_={"entitled_until": func.greatest(subscriptions.c.entitled_until, _GIVEN.excluded.entitled_until)},
    )
)
_ENTITLED_UNTIL = Scalar(
    select(subscriptions.c.entitled_until).where(subscriptions.c.owner == bindparam("owner")), datetime
)
_DELETE_SUBSCRIPTION = Statement(delete(subscriptions).where(subscriptions.c.owner == bindparam("owner")))


async def upsert_payment(tx: Transaction, resume_id: int, paid: bool, revision: int) -> None:
    """Store whether a resume is paid, unless a newer state is stored or the resume is deleted."""
    await tx.execute(_UPSERT_PAYMENT, resume_id=resume_id, paid=paid, revision=revision)


async def upsert_subscription(tx: Transaction, owner: Owner, entitled_until: datetime | None, revision: int) -> None:
    """Store the end of an owner's subscription, unless a newer state is stored."""
    await tx.execute(_UPSERT_SUBSCRIPTION, owner=owner.key, entitled_until=entitled_until, revision=revision)


async def extend_subscription(tx: Transaction, owner: Owner, entitled_until: datetime) -> None:
    """Entitle an owner at least until then. Revision 0 lets every event of payments replace this."""
    await tx.execute(_EXTEND_SUBSCRIPTION, owner=owner.key, entitled_until=entitled_until)


async def entitled_until(tx: Transaction, owner: Owner) -> datetime | None:
    """Return the end of an owner's subscription, or None."""
    return await tx.fetch_one(_ENTITLED_UNTIL, owner=owner.key)


async def delete_subscription(tx: Transaction, owner: Owner) -> None:
    """Delete the stored subscription of an owner."""
    await tx.execute(_DELETE_SUBSCRIPTION, owner=owner.key)
