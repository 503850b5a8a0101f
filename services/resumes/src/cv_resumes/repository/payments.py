"""What payments tells: which resume is bought, and until when an owner is entitled."""

from collections.abc import Sequence
from datetime import datetime

from cv_common.kernel.database import Statement, Transaction
from sqlalchemy import BigInteger, Boolean, Table, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_resumes.domain.owners import Owner
from cv_resumes.tables import resume_payments, resumes, subscriptions


def _if_newer(statement: Insert, table: Table, columns: Sequence[str]) -> Statement:
    """Insert a state, or replace an older one by its revision."""
    return Statement(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={name: statement.excluded[name] for name in (*columns, "revision")},
            where=table.c.revision < statement.excluded.revision,
        )
    )


_STILL_THERE = (
    select(resumes.c.id, bindparam("paid", type_=Boolean), bindparam("revision", type_=BigInteger))
    .where(resumes.c.id == bindparam("resume_id"))
    .with_for_update(read=True, key_share=True)
)
_KEEP_PAYMENT = _if_newer(
    upsert(resume_payments).from_select(["resume_id", "paid", "revision"], _STILL_THERE), resume_payments, ["paid"]
)
_KEEP_SUBSCRIPTION = _if_newer(
    upsert(subscriptions).values({name: bindparam(name) for name in ("owner", "entitled_until", "revision")}),
    subscriptions,
    ["entitled_until"],
)
_GIVEN = upsert(subscriptions).values(owner=bindparam("owner"), entitled_until=bindparam("entitled_until"), revision=0)
_EXTEND_SUBSCRIPTION = Statement(
    _GIVEN.on_conflict_do_update(
        index_elements=["owner"],
        set_={"entitled_until": func.greatest(subscriptions.c.entitled_until, _GIVEN.excluded.entitled_until)},
    )
)
_ENTITLED_UNTIL = Statement(select(subscriptions.c.entitled_until).where(subscriptions.c.owner == bindparam("owner")))
_FORGET_SUBSCRIPTION = Statement(delete(subscriptions).where(subscriptions.c.owner == bindparam("owner")))


async def keep_payment(tx: Transaction, resume_id: int, paid: bool, revision: int) -> None:
    """Remember whether a resume is bought, unless something newer is known or it is gone."""
    await tx.execute(_KEEP_PAYMENT, resume_id=resume_id, paid=paid, revision=revision)


async def keep_subscription(tx: Transaction, owner: Owner, entitled_until: datetime | None, revision: int) -> None:
    """Remember until when an owner is entitled, unless something newer is known."""
    await tx.execute(_KEEP_SUBSCRIPTION, owner=owner.key, entitled_until=entitled_until, revision=revision)


async def extend_subscription(tx: Transaction, owner: Owner, entitled_until: datetime) -> None:
    """An owner is entitled at least until then, as far as we know: whatever payments says of the owner is newer."""
    await tx.execute(_EXTEND_SUBSCRIPTION, owner=owner.key, entitled_until=entitled_until)


async def entitled_until(tx: Transaction, owner: Owner) -> datetime | None:
    """Until when an owner is entitled, as far as we know; None: not at all."""
    row = await tx.fetch_one(_ENTITLED_UNTIL, owner=owner.key)
    return row["entitled_until"] if row else None


async def forget_subscription(tx: Transaction, owner: Owner) -> None:
    """Forget what an owner was entitled to."""
    await tx.execute(_FORGET_SUBSCRIPTION, owner=owner.key)
