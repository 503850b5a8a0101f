"""End anonymous sessions: an account claims one, or one is merged into another session of the same visitor.

The session's data then belongs to the account, or to the other session.
"""

from collections.abc import Sequence

from cv_common.kernel.database import Transaction
from cv_common.kernel.errors import BadRequest
from cv_common.kernel.identity import Caller
from cv_common.kernel.revision import next_revision
from cv_common.messaging import outbox
from cv_common.messaging.events import SessionClaimed, SessionMerged

from cv_auth import repository
from cv_auth.actions.context import Context


async def claim(tx: Transaction, caller: Caller, user_id: int) -> str | None:
    """Record, in the transaction of a login, that the caller's session belongs to the account.

    Returns the session's id, for `propagate_claim` after the commit; None if the caller has no session or it has ended.
    """
    session_id = caller.session_id
    if session_id is None:
        return None
    await repository.lock_sessions(tx, [session_id])
    if not await repository.claim_session(tx, session_id, user_id):
        return None
    # A merge into this session that a service applies late would move data into an ended session: claim those too.
    for claimed in (session_id, *await repository.claim_merged_sessions(tx, session_id, user_id)):
        await outbox.record(tx, SessionClaimed(session_id=claimed, user_id=user_id, revision=next_revision(0)))
    return session_id


async def propagate_claim(context: Context, session_id: str | None, user_id: int) -> None:
    """Call the services that store data of sessions, so that the user's next list already shows the claimed data."""
    if session_id is not None:
        await context.session_claims.claim(session_id, user_id)


async def merge(context: Context, caller: Caller, session_ids: Sequence[str]) -> str:
    """Merge the sessions of one visitor into the first that has not ended, and return that one's id.

    A repeated call makes the services apply the merges again, in case they missed one. If all sessions have ended,
    nothing changes and the first id is returned. Raises BadRequest if the caller's session is not in `session_ids`.
    """
    if caller.session_id not in session_ids:
        raise BadRequest("The caller's own session is not among those to merge.")
    session_ids = list(dict.fromkeys(session_ids))
    async with context.database.transaction() as tx:
        await repository.lock_sessions(tx, session_ids)
        ended = {session.session_id: session for session in await repository.list_ended_sessions(tx, session_ids)}
        live = [session_id for session_id in session_ids if session_id not in ended]
        if not live:
            return session_ids[0]
        remaining, *others = live
        for session_id in others:
            for merged in await repository.merge_session(tx, session_id, remaining):
                event = SessionMerged(session_id=merged, into_session_id=remaining, revision=next_revision(0))
                await outbox.record(tx, event)
    merged_before = [session_id for session_id, session in ended.items() if session.into_session_id == remaining]
    await context.session_claims.merge([*others, *merged_before], remaining)
    return remaining
