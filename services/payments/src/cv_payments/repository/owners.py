"""Owners. A transaction locks an owner before it changes what the owner has; `actions/stripe_sync.py` has the order."""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from cv_common.kernel.database import Query, Scalar, Statement, Transaction
from cv_common.kernel.identity import Caller
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter
from sqlalchemy import and_, bindparam, func, insert, or_, select, union, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.domain.owners import Owner
from cv_payments.domain.subscriptions import SubscriptionSummary
from cv_payments.tables import checkouts, owners, payments, subscriptions

OwnedTable = Literal["checkouts", "payments", "subscriptions"]
_TABLES = {"checkouts": checkouts, "payments": payments, "subscriptions": subscriptions}
_SUMMARY = TypeAdapter(SubscriptionSummary)

_BY_ID = owners.c.id == bindparam("owner_id")
_OWNER = select(
    owners.c.id, owners.c.user_id, owners.c.session_id, owners.c.customer_id, owners.c.revision, owners.c.ended_at
)
OWNED_BY_CALLER = and_(
    owners.c.ended_at.is_(None),
    or_(owners.c.user_id == bindparam("user_id"), owners.c.session_id == bindparam("session_id")),
)
"""Whether the joined owner is the caller, with `caller_values` as the parameters."""

_ADD_USER = Statement(upsert(owners).values(user_id=bindparam("user_id")).on_conflict_do_nothing())
_ADD_SESSION = Statement(upsert(owners).values(session_id=bindparam("session_id")).on_conflict_do_nothing())
_LOCK_USER = Query(_OWNER.where(owners.c.user_id == bindparam("user_id")).with_for_update(), Owner)
_LOCK_SESSION = Query(_OWNER.where(owners.c.session_id == bindparam("session_id")).with_for_update(), Owner)
_LOCK = Query(_OWNER.where(_BY_ID).with_for_update(), Owner)
_OWNER_ID_OF = {
    name: Scalar(select(table.c.owner_id).where(table.c.id == bindparam("row_id")), int)
    for name, table in _TABLES.items()
}
_OF_CALLER = Query(_OWNER.where(OWNED_BY_CALLER), Owner)
_OF_CUSTOMER = Scalar(
    select(owners.c.id).where(owners.c.customer_id == bindparam("customer_id")).order_by(owners.c.id.desc()).limit(1),
    int,
)
_ADD_CUSTOMER = Statement(
    update(owners).where(_BY_ID, owners.c.customer_id.is_(None)).values(customer_id=bindparam("customer_id"))
)
_REMOVE_CUSTOMER = Statement(
    update(owners).where(_BY_ID, owners.c.customer_id == bindparam("removed")).values(customer_id=None)
)
_CUSTOMERS = Scalar(
    union(
        *(
            select(table.c.customer_id).where(owner_id == bindparam("owner_id"), table.c.customer_id.is_not(None))
            for table, owner_id in (
                (owners, owners.c.id),
                (checkouts, checkouts.c.owner_id),
                (subscriptions, subscriptions.c.owner_id),
            )
        )
    ),
    str,
)
_LAST_PUBLISHED = Scalar(select(owners.c.published_summary).where(_BY_ID), object)
_MARK_PUBLISHED = Statement(
    update(owners).where(_BY_ID).values(published_summary=bindparam("summary"), revision=bindparam("revision"))
)
_TRANSFER = [
    Statement(update(table).where(table.c.owner_id == bindparam("owner_id")).values(owner_id=bindparam("new_owner_id")))
    for table in _TABLES.values()
]
_END = Statement(update(owners).where(_BY_ID).values(ended_at=func.now(), customer_id=None))
_ANONYMIZE = Statement(update(owners).where(_BY_ID).values(user_id=None, session_id=None, ended_at=func.now()))
_INSERT_TOMBSTONE = Statement(
    insert(owners).values(user_id=bindparam("user_id"), session_id=bindparam("session_id"), ended_at=func.now())
)


def caller_values(caller: Caller) -> Mapping[str, int | str | None]:
    """Return the parameters of `OWNED_BY_CALLER`. A logged-in caller is the account, not the session."""
    return {"user_id": caller.user_id, "session_id": None if caller.user_id is not None else caller.session_id}


async def lock_user(tx: Transaction, user_id: int) -> Owner:
    """Return the account's owner, locked. A new one is added."""
    return await _lock_or_add(tx, _LOCK_USER, _ADD_USER, user_id=user_id)


async def lock_session(tx: Transaction, session_id: str) -> Owner:
    """Return the session's owner, locked. A new one is added."""
    return await _lock_or_add(tx, _LOCK_SESSION, _ADD_SESSION, session_id=session_id)


async def _lock_or_add(tx: Transaction, lock_owner: Query[Owner], add: Statement, **identity: int | str) -> Owner:
    owner = await tx.fetch_one(lock_owner, **identity)
    if owner is None:
        await tx.execute(add, **identity)
        owner = await tx.fetch_one(lock_owner, **identity)
    assert owner is not None
    return owner


async def find_caller(tx: Transaction, caller: Caller) -> Owner | None:
    """Return the caller's owner; None for a caller who has never bought anything."""
    return await tx.fetch_one(_OF_CALLER, **caller_values(caller))


async def lock(tx: Transaction, owner_id: int) -> Owner:
    """Return an owner by its own id, locked."""
    owner = await tx.fetch_one(_LOCK, owner_id=owner_id)
    assert owner is not None, "owners are never deleted"
    return owner


async def lock_owner_of(tx: Transaction, table: OwnedTable, row_id: UUID | int | str) -> Owner:
    """Return the owner of a row, locked. The row keeps its owner until `tx` ends."""
    while True:
        owner_id = await tx.fetch_one(_OWNER_ID_OF[table], row_id=row_id)
        assert owner_id is not None, "rows with an owner are never deleted"
        owner = await lock(tx, owner_id)
        # Between reading and locking, a claim may have transferred the row to an account.
        if await tx.fetch_one(_OWNER_ID_OF[table], row_id=row_id) == owner_id:
            return owner


async def lock_customer(tx: Transaction, customer_id: str) -> Owner | None:
    """Return the owner with this customer at Stripe, locked."""
    owner_id = await tx.fetch_one(_OF_CUSTOMER, customer_id=customer_id)
    return await lock(tx, owner_id) if owner_id is not None else None


async def add_customer(tx: Transaction, owner: Owner, customer_id: str) -> None:
    """Store an owner's customer at Stripe. The first one stays."""
    await tx.execute(_ADD_CUSTOMER, owner_id=owner.id, customer_id=customer_id)


async def remove_customer(tx: Transaction, owner_id: int, customer_id: str) -> None:
    """Remove a customer that was deleted at Stripe."""
    await tx.execute(_REMOVE_CUSTOMER, owner_id=owner_id, removed=customer_id)


async def list_customers(tx: Transaction, owner: Owner) -> list[str]:
    """Return all of an owner's customers at Stripe: a buyer who logs in later was another customer before."""
    return await tx.fetch_all(_CUSTOMERS, owner_id=owner.id)


async def last_published(tx: Transaction, owner: Owner) -> SubscriptionSummary:
    """Return the summary that was last published about an owner."""
    return _SUMMARY.validate_python(await tx.fetch_one(_LAST_PUBLISHED, owner_id=owner.id) or {})


async def mark_published(tx: Transaction, owner: Owner, summary: SubscriptionSummary, revision: int) -> None:
    """Store the summary that is now published about a locked owner."""
    await tx.execute(
        _MARK_PUBLISHED, owner_id=owner.id, summary=Jsonb(_SUMMARY.dump_python(summary)), revision=revision
    )


async def transfer(tx: Transaction, owner: Owner, new_owner: Owner) -> None:
    """Give all checkouts, payments and subscriptions of one owner to another."""
    for statement in _TRANSFER:
        await tx.execute(statement, owner_id=owner.id, new_owner_id=new_owner.id)


async def end(tx: Transaction, owner: Owner) -> None:
    """End a session's owner: it buys nothing more."""
    await tx.execute(_END, owner_id=owner.id)


async def anonymize(tx: Transaction, owner: Owner) -> None:
    """Remove an owner's ids from its purchases. A tombstone keeps the account or session from buying again."""
    await tx.execute(_ANONYMIZE, owner_id=owner.id)
    await tx.execute(_INSERT_TOMBSTONE, user_id=owner.user_id, session_id=owner.session_id)
