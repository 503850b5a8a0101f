"""Owners that are no more: under none of them is anything created."""

from cv_common.db import Statement, Transaction
from sqlalchemy import bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_resumes.tables import ended_sessions

_END_SESSION = Statement(
    upsert(ended_sessions)
    .values(session_id=bindparam("session_id"), user_id=bindparam("user_id"))
    .on_conflict_do_update(index_elements=["session_id"], set_={"session_id": bindparam("session_id")})
    .returning(ended_sessions.c.user_id)
)
_IS_ENDED = Statement(select(literal(1).label("ended")).where(ended_sessions.c.session_id == bindparam("session_id")))
_SHARE_SESSION = Statement(select(func.pg_advisory_xact_lock_shared(func.hashtextextended(bindparam("session_id"), 0))))
_OWN_SESSION = Statement(select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("session_id"), 0))))


async def is_session_live(tx: Transaction, session_id: str) -> bool:
    """May something be created under this session? If so, it cannot end before `tx` does."""
    await tx.one(_SHARE_SESSION, session_id=session_id)
    return await tx.one(_IS_ENDED, session_id=session_id) is None


async def end_session(tx: Transaction, session_id: str, user_id: int) -> int:
    """End a session in favour of a user. The user it ended for: the first claim stands."""
    await tx.one(_OWN_SESSION, session_id=session_id)
    row = await tx.one(_END_SESSION, session_id=session_id, user_id=user_id)
    assert row is not None
    return int(row["user_id"])
