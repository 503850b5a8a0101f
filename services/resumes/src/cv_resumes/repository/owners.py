"""Owners that are no more: under none of them is anything created.

Locks are taken in one order: the session, the user, then rows. Whoever writes rows first may wait for one who waits for
them.
"""

from cv_common.kernel.database import Statement, Transaction
from sqlalchemy import bindparam, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_resumes.domain.owners import Owner
from cv_resumes.tables import ended_sessions, ended_users

NO_USER = 0
"""Stands for the user of a session that ended in favor of another session."""

_ONE = literal(1).label("ended")
_IS_SESSION_ENDED = Statement(select(_ONE).where(ended_sessions.c.session_id == bindparam("session_id")))
_IS_USER_ENDED = Statement(select(_ONE).where(ended_users.c.user_id == bindparam("user_id")))
_END_SESSION = Statement(
    upsert(ended_sessions)
    .values(session_id=bindparam("session_id"), user_id=bindparam("user_id"))
    .on_conflict_do_update(index_elements=["session_id"], set_={"session_id": bindparam("session_id")})
    .returning(ended_sessions.c.user_id)
)
_END_USER = Statement(upsert(ended_users).values(user_id=bindparam("user_id")).on_conflict_do_nothing())


async def lock_live(tx: Transaction, owner: Owner) -> bool:
    """May something be created under this owner? If so, it neither ends nor gets anything else before `tx` ends."""
    await tx.lock(owner.key)
    if owner.session_id is not None:
        return await tx.fetch_one(_IS_SESSION_ENDED, session_id=owner.session_id) is None
    return await tx.fetch_one(_IS_USER_ENDED, user_id=owner.user_id) is None


async def is_ended(tx: Transaction, session_id: str) -> bool:
    """Has a session ended?"""
    return await tx.fetch_one(_IS_SESSION_ENDED, session_id=session_id) is not None


async def end_session(tx: Transaction, session_id: str, user_id: int = NO_USER) -> int:
    """End a session in favor of a user, or of another session. The user it ended for: the first end stands."""
    await tx.lock(Owner(session_id=session_id).key)
    row = await tx.fetch_one(_END_SESSION, session_id=session_id, user_id=user_id)
    assert row is not None
    return int(row["user_id"])


async def end_user(tx: Transaction, user_id: int) -> None:
    """An account was erased."""
    await tx.lock(Owner(user_id=user_id).key)
    await tx.execute(_END_USER, user_id=user_id)
