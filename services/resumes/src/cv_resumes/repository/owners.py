"""Ended sessions and erased accounts. Nothing is created under them.

Locks are taken in one order, so that transactions do not deadlock: the session, the account, then rows.
"""

from cv_common.kernel.database import Scalar, Statement, Transaction
from sqlalchemy import bindparam, literal, select
from sqlalchemy.dialects.postgresql import insert

from cv_resumes.domain.owners import Owner
from cv_resumes.tables import ended_sessions, ended_users

NO_USER = 0
"""The user of a session that was merged into another session."""

_ONE = literal(1).label("ended")
_IS_SESSION_ENDED = Scalar(select(_ONE).where(ended_sessions.c.session_id == bindparam("session_id")), int)
_IS_USER_ENDED = Scalar(select(_ONE).where(ended_users.c.user_id == bindparam("user_id")), int)
_END_SESSION = Scalar(
    insert(ended_sessions)
    .values(session_id=bindparam("session_id"), user_id=bindparam("user_id"))
    .on_conflict_do_update(index_elements=["session_id"], set_={"session_id": bindparam("session_id")})
    .returning(ended_sessions.c.user_id),
    int,
)
_END_USER = Statement(insert(ended_users).values(user_id=bindparam("user_id")).on_conflict_do_nothing())


async def lock_live(tx: Transaction, owner: Owner) -> bool:
    """Lock an owner until `tx` ends. Returns whether it is live: neither an ended session nor an erased account."""
    await tx.lock(owner.key)
    if owner.session_id is not None:
        return not await is_ended(tx, owner.session_id)
    return await tx.fetch_one(_IS_USER_ENDED, user_id=owner.user_id) is None


async def is_ended(tx: Transaction, session_id: str) -> bool:
    """Return whether a session has ended."""
    return await tx.fetch_one(_IS_SESSION_ENDED, session_id=session_id) is not None


async def end_session(tx: Transaction, session_id: str, user_id: int = NO_USER) -> int:
    """End a session in favor of an account or another session. Returns the account of the first call, which stands."""
    await tx.lock(Owner(session_id=session_id).key)
    ended_for = await tx.fetch_one(_END_SESSION, session_id=session_id, user_id=user_id)
    assert ended_for is not None
    return ended_for


async def end_user(tx: Transaction, user_id: int) -> None:
    """Record that an account was erased."""
    await tx.lock(Owner(user_id=user_id).key)
    await tx.execute(_END_USER, user_id=user_id)
