"""An anonymous session ends: an account claims it, or it is merged into another session of the same visitor.

What the visitor made in it belongs to the account, or to the other session, from then on.
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
    """Note, in the login's own transaction, that the caller's session belongs to the account.

    The session's id, to pass to `tell` after the commit; None without a session, or with one that has ended before.
    """
    session_id = caller.session_id
    if session_id is None:
        return None
    await repository.lock_sessions(tx, [session_id])
    if not await repository.claim_session(tx, session_id, user_id):
        return None
    # Where a merge has not been applied yet, it would move things into a session that has ended.
    for each in (session_id, *await repository.claim_merged_sessions(tx, session_id, user_id)):
        await outbox.record(tx, SessionClaimed(session_id=each, user_id=user_id, revision=next_revision(0)))
    return session_id


async def tell(context: Context, session_id: str | None, user_id: int) -> None:
    """Let the services that keep something for a claimed session apply it now, so that the next list shows it."""
    if session_id is not None:
        await context.session_keepers.claim(session_id, user_id)


async def merge(context: Context, caller: Caller, session_ids: Sequence[str]) -> str:
    """Merge the sessions of one visitor into the first that has not ended. The id of the session that remains.

    Raises BadRequest unless the caller's own session is one of them.

    Sent again, it has the services apply again what they may not have applied in time. If all have ended, nothing
    changes, and the first is answered.
    """
    if caller.session_id not in session_ids:
        raise BadRequest("The caller's own session is not among those to merge.")
    session_ids = list(dict.fromkeys(session_ids))
    async with context.database.transaction() as tx:
        await repository.lock_sessions(tx, session_ids)
        ended = await repository.ended_sessions(tx, session_ids)
        live = [session_id for session_id in session_ids if session_id not in ended]
        if not live:
            return session_ids[0]
        remaining, *others = live
        for session_id in others:
            for each in await repository.merge_session(tx, session_id, remaining):
                merged = SessionMerged(session_id=each, into_session_id=remaining, revision=next_revision(0))
                await outbox.record(tx, merged)
    before = [session_id for session_id, into in ended.items() if into == remaining]
    await context.session_keepers.merge([*others, *before], remaining)
    return remaining
