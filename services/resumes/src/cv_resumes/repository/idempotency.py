"""Idempotency keys and what was created with them."""

from datetime import datetime

from cv_common.kernel.database import Query, Statement, Transaction
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    String,
    bindparam,
    delete,
    exists,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from cv_resumes.domain.idempotency import REQUEST_SCOPE, UsedKey
from cv_resumes.domain.owners import Owner
from cv_resumes.tables import idempotency_keys

_CLAIM = Statement(
    insert(idempotency_keys)
    .values({name: bindparam(name) for name in ("scope", "key", "fingerprint")})
    .on_conflict_do_nothing()
)
_FIND = Query(
    select(idempotency_keys.c.fingerprint, idempotency_keys.c.owner, idempotency_keys.c.resume_id).where(
        idempotency_keys.c.scope == bindparam("scope"), idempotency_keys.c.key == bindparam("key")
    ),
    UsedKey,
)
_SAVE = Statement(
    insert(idempotency_keys)
    .values({name: bindparam(name) for name in ("scope", "key", "fingerprint", "owner", "resume_id")})
    .on_conflict_do_update(
        index_elements=["scope", "key"], set_={"owner": bindparam("owner"), "resume_id": bindparam("resume_id")}
    )
)
_IS_OLD = idempotency_keys.c.created_at < bindparam("before")
_ROW: ColumnElement[str] = literal_column("ctid")
_SOME = func.array(
    select(_ROW).select_from(idempotency_keys).where(_IS_OLD).limit(1000).scalar_subquery(), type_=ARRAY(String)
)
_PURGE = Statement(delete(idempotency_keys).where(_ROW.op("=")(func.any(_SOME)), _IS_OLD))

_OF_SESSION = idempotency_keys.alias()
_OLD, _NEW = bindparam("old", type_=String), bindparam("new", type_=String)
_TRANSFER_SESSIONLESS = Statement(
    update(idempotency_keys)
    .where(
        tuple_(idempotency_keys.c.scope, idempotency_keys.c.key).in_(
            select(literal(REQUEST_SCOPE) + _OF_SESSION.c.fingerprint, _OF_SESSION.c.key).where(
                _OF_SESSION.c.scope == _OLD
            )
        ),
        idempotency_keys.c.owner == _OLD,
    )
    .values(owner=_NEW)
)
_TRANSFER = Statement(
    update(idempotency_keys)
    .where(
        idempotency_keys.c.scope == _OLD,
        ~exists().where(_OF_SESSION.c.scope == _NEW, _OF_SESSION.c.key == idempotency_keys.c.key),
    )
    .values(scope=_NEW, owner=_NEW)
)
_COPY = Statement(
    insert(idempotency_keys)
    .from_select(
        ["scope", "key", "fingerprint", "owner", "resume_id"],
        select(_NEW, idempotency_keys.c.key, idempotency_keys.c.fingerprint, _NEW, idempotency_keys.c.resume_id).where(
            idempotency_keys.c.scope == _OLD
        ),
    )
    .on_conflict_do_nothing()
)


async def claim(tx: Transaction, scope: str, key: str, fingerprint: str) -> UsedKey | None:
    """Claim a key for this request. Returns None if it is new, else what an earlier request stored.

    Waits while another request with the same key is running.
    """
    if await tx.execute(_CLAIM, scope=scope, key=key, fingerprint=fingerprint):
        return None
    return await tx.fetch_one(_FIND, scope=scope, key=key)


async def save(tx: Transaction, scope: str, key: str, fingerprint: str, owner: Owner, resume_id: int) -> None:
    """Store the resume that the request with this key created."""
    await tx.execute(_SAVE, scope=scope, key=key, fingerprint=fingerprint, owner=owner.key, resume_id=resume_id)


async def transfer(tx: Transaction, old: Owner, new: Owner) -> None:
    """Give the keys of one owner to another, so that repeated requests get the same answer as before."""
    await tx.execute(_TRANSFER_SESSIONLESS, old=old.key, new=new.key)
    await tx.execute(_TRANSFER, old=old.key, new=new.key)


async def copy(tx: Transaction, session: Owner, user: Owner) -> None:
    """Copy a session's keys to the account that claimed it, so that the account can repeat the requests.

    The session's own rows stay: without the account, its repeated requests are answered with an error.
    """
    await tx.execute(_COPY, old=session.key, new=user.key)


async def purge(tx: Transaction, before: datetime) -> int:
    """Delete up to 1000 keys that were claimed before that time. Returns how many were deleted."""
    return await tx.execute(_PURGE, before=before)
