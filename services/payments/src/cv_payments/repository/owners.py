"""Owners. Whoever changes what an owner has locks the owner first; that is the order of all locks on rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cv_common.kernel.database import Row, Statement, Transaction
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter
from sqlalchemy import bindparam, func, insert, select, union, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.domain.subscriptions import Standing
from cv_payments.tables import checkouts, owners, payments, subscriptions


@dataclass(frozen=True, slots=True)
class Owner:
    """A stored owner. An erased account's owner has neither `user_id` nor `session_id`."""

    id: int
    user_id: int | None
    session_id: str | None
    customer_id: str | None
    told: Standing
    """What was last told of the owner's subscriptions."""
    revision: int
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_known(self) -> bool:
        return self.user_id is not None or self.session_id is not None


_STANDINGS = TypeAdapter(Standing)
_BY_ID = owners.c.id == bindparam("owner_id")
_ADD_USER = Statement(upsert(owners).values(user_id=bindparam("user_id")).on_conflict_do_nothing())
_ADD_SESSION = Statement(upsert(owners).values(session_id=bindparam("session_id")).on_conflict_do_nothing())
_LOCK_USER = Statement(select(owners).where(owners.c.user_id == bindparam("user_id")).with_for_update())
_LOCK_SESSION = Statement(select(owners).where(owners.c.session_id == bindparam("session_id")).with_for_update())
_LOCK = Statement(select(owners).where(_BY_ID).with_for_update())
_OF_CHECKOUT = Statement(select(checkouts.c.owner_id).where(checkouts.c.id == bindparam("thing_id")))
_OF_PAYMENT = Statement(select(payments.c.owner_id).where(payments.c.id == bindparam("thing_id")))
_OF_SUBSCRIPTION = Statement(select(subscriptions.c.owner_id).where(subscriptions.c.id == bindparam("thing_id")))
_OF_CALLER = Statement(
    select(owners).where(
        owners.c.ended_at.is_(None),
        (owners.c.user_id == bindparam("user_id")) | (owners.c.session_id == bindparam("session_id")),
    )
)
_OF_CUSTOMER = Statement(
    select(owners.c.id).where(owners.c.customer_id == bindparam("customer_id")).order_by(owners.c.id.desc()).limit(1)
)
_KEEP_CUSTOMER = Statement(
    update(owners).where(_BY_ID, owners.c.customer_id.is_(None)).values(customer_id=bindparam("customer_id"))
)
_CUSTOMERS = Statement(
    union(
        *(
            select(table.c.customer_id).where(owned_by == bindparam("owner_id"), table.c.customer_id.is_not(None))
            for table, owned_by in (
                (owners, owners.c.id),
                (checkouts, checkouts.c.owner_id),
                (subscriptions, subscriptions.c.owner_id),
            )
        )
    )
)
_TELL = Statement(update(owners).where(_BY_ID).values(told=bindparam("told"), revision=bindparam("revision")))
_FORGET_CUSTOMER = Statement(
    update(owners).where(_BY_ID, owners.c.customer_id == bindparam("gone")).values(customer_id=None)
)
_END = Statement(update(owners).where(_BY_ID).values(ended_at=func.now(), customer_id=None))
_FORGET = Statement(update(owners).where(_BY_ID).values(user_id=None, session_id=None, ended_at=func.now()))
_ENTOMB = Statement(
    insert(owners).values(user_id=bindparam("user_id"), session_id=bindparam("session_id"), ended_at=func.now())
)


async def lock_user(tx: Transaction, user_id: int) -> Owner:
    """The account's owner, made if it is new."""
    row = await tx.fetch_one(_LOCK_USER, user_id=user_id)
    if row is None:
        await tx.execute(_ADD_USER, user_id=user_id)
        row = await tx.fetch_one(_LOCK_USER, user_id=user_id)
    return _present(row)


async def lock_session(tx: Transaction, session_id: str) -> Owner:
    """The session's owner, made if it is new."""
    row = await tx.fetch_one(_LOCK_SESSION, session_id=session_id)
    if row is None:
        await tx.execute(_ADD_SESSION, session_id=session_id)
        row = await tx.fetch_one(_LOCK_SESSION, session_id=session_id)
    return _present(row)


async def of_caller(tx: Transaction, user_id: int | None, session_id: str | None) -> Owner | None:
    """The owner an account or a session is, unless it never bought anything."""
    row = await tx.fetch_one(_OF_CALLER, user_id=user_id, session_id=None if user_id is not None else session_id)
    return _present(row) if row else None


async def lock(tx: Transaction, owner_id: int) -> Owner:
    """An owner by its own id."""
    return _present(await tx.fetch_one(_LOCK, owner_id=owner_id))


async def lock_of_checkout(tx: Transaction, checkout_id: UUID) -> Owner:
    """Whose a checkout is; it stays theirs until `tx` ends."""
    return await _lock_of(tx, _OF_CHECKOUT, checkout_id)


async def lock_of_payment(tx: Transaction, payment_id: int) -> Owner:
    """Whose a payment is; it stays theirs until `tx` ends."""
    return await _lock_of(tx, _OF_PAYMENT, payment_id)


async def lock_of_subscription(tx: Transaction, subscription_id: str) -> Owner:
    """Whose a subscription is; it stays theirs until `tx` ends."""
    return await _lock_of(tx, _OF_SUBSCRIPTION, subscription_id)


async def _lock_of(tx: Transaction, statement: Statement, thing_id: object) -> Owner:
    while True:
        before = await tx.fetch_one(statement, thing_id=thing_id)
        assert before is not None, "what has an owner is never deleted"
        owner = await lock(tx, before["owner_id"])
        # Between reading and locking, a claim may have given the thing to an account.
        if await tx.fetch_one(statement, thing_id=thing_id) == before:
            return owner


async def lock_of_customer(tx: Transaction, customer_id: str) -> Owner | None:
    """Whom Stripe knows as this customer, or None."""
    found = await tx.fetch_one(_OF_CUSTOMER, customer_id=customer_id)
    return await lock(tx, found["id"]) if found else None


async def keep_customer(tx: Transaction, owner: Owner, customer_id: str) -> None:
    """Remember an owner's name at Stripe. The first one stays."""
    await tx.execute(_KEEP_CUSTOMER, owner_id=owner.id, customer_id=customer_id)


async def forget_customer(tx: Transaction, owner_id: int, customer_id: str) -> None:
    """Stripe knows nobody as this customer any more."""
    await tx.execute(_FORGET_CUSTOMER, owner_id=owner_id, gone=customer_id)


async def customers(tx: Transaction, owner: Owner) -> list[str]:
    """Everybody whom Stripe knows this owner as: who bought before logging in was another customer then."""
    return [row["customer_id"] for row in await tx.fetch_all(_CUSTOMERS, owner_id=owner.id)]


async def tell(tx: Transaction, owner: Owner, standing: Standing, revision: int) -> None:
    """Remember what is now told of a locked owner."""
    await tx.execute(_TELL, owner_id=owner.id, told=Jsonb(_STANDINGS.dump_python(standing)), revision=revision)


async def end(tx: Transaction, owner: Owner) -> None:
    """From now on nothing can be bought under this session."""
    await tx.execute(_END, owner_id=owner.id)


async def forget(tx: Transaction, owner: Owner) -> None:
    """Leave what was bought under the owner's id alone, and let the account or session buy nothing more."""
    await tx.execute(_FORGET, owner_id=owner.id)
    await tx.execute(_ENTOMB, user_id=owner.user_id, session_id=owner.session_id)


def _present(row: Row | None) -> Owner:
    assert row is not None
    return Owner(**(row | {"told": _STANDINGS.validate_python(row["told"] or {})}))
