"""The keys of requests that take effect once."""

from datetime import datetime

from cv_common.kernel.database import Row, Statement, Transaction
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
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_resumes.domain.keys import REQUEST_SCOPE
from cv_resumes.domain.owners import Owner
from cv_resumes.tables import idempotency_keys

_TAKE_KEY = Statement(
    upsert(idempotency_keys)
    .values({name: bindparam(name) for name in ("scope", "key", "fingerprint")})
    .on_conflict_do_nothing()
)
_TAKEN_KEY = Statement(
    select(idempotency_keys.c.fingerprint, idempotency_keys.c.owner, idempotency_keys.c.resume_id).where(
        idempotency_keys.c.scope == bindparam("scope"), idempotency_keys.c.key == bindparam("key")
    )
)
_KEEP_KEY = Statement(
    upsert(idempotency_keys)
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
_FORGET_KEYS = Statement(delete(idempotency_keys).where(_ROW.op("=")(func.any(_SOME)), _IS_OLD))

_OF_SESSION = idempotency_keys.alias()
_OLD, _NEW = bindparam("old", type_=String), bindparam("new", type_=String)
_MOVE_FIRST_KEYS = Statement(
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
_MOVE_KEYS = Statement(
    update(idempotency_keys)
    .where(
        idempotency_keys.c.scope == _OLD,
        ~exists().where(_OF_SESSION.c.scope == _NEW, _OF_SESSION.c.key == idempotency_keys.c.key),
    )
    .values(scope=_NEW, owner=_NEW)
)
_COPY_KEYS = Statement(
    upsert(idempotency_keys)
    .from_select(
        ["scope", "key", "fingerprint", "owner", "resume_id"],
        select(_NEW, idempotency_keys.c.key, idempotency_keys.c.fingerprint, _NEW, idempotency_keys.c.resume_id).where(
            idempotency_keys.c.scope == _OLD
        ),
    )
    .on_conflict_do_nothing()
)


async def take_key(tx: Transaction, scope: str, key: str, fingerprint: str) -> Row | None:
    """None when the key is new and now taken; else `fingerprint`, `owner`, `resume_id` of the request that took it.

    Waits while another request with the same key is under way.
    """
    if await tx.execute(_TAKE_KEY, scope=scope, key=key, fingerprint=fingerprint):
        return None
    return await tx.fetch_one(_TAKEN_KEY, scope=scope, key=key)


async def keep_key(tx: Transaction, scope: str, key: str, fingerprint: str, owner: Owner, resume_id: int) -> None:
    """Remember what the request with this key created."""
    await tx.execute(_KEEP_KEY, scope=scope, key=key, fingerprint=fingerprint, owner=owner.key, resume_id=resume_id)


async def move_keys(tx: Transaction, old: Owner, new: Owner) -> None:
    """What an old owner's keys created belongs to a new one: sent again, they answer with it as before."""
    await tx.execute(_MOVE_FIRST_KEYS, old=old.key, new=new.key)
    await tx.execute(_MOVE_KEYS, old=old.key, new=new.key)


async def copy_keys(tx: Transaction, session: Owner, user: Owner) -> None:
    """What a session's keys created belongs to an account now, which may send them again.

    The session's own rows stay: sent again without the account, its keys are answered with a refusal.
    """
    await tx.execute(_COPY_KEYS, old=session.key, new=user.key)


async def forget_keys(tx: Transaction, before: datetime) -> int:
    """Forget some of the keys taken before a moment; how many those were."""
    return await tx.execute(_FORGET_KEYS, before=before)
