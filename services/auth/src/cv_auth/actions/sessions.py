"""An anonymous session becomes an account's: what the visitor made before logging in is theirs afterwards."""

from cv_common import outbox
from cv_common.db import Transaction
from cv_common.events import SessionClaimed
from cv_common.identity import Caller
from cv_common.revision import next_revision

from cv_auth import store
from cv_auth.actions.context import Context


async def claim(tx: Transaction, caller: Caller, user_id: int) -> str | None:
    """Note, in the login's own transaction, that the caller's session belongs to the account.

    The session's id, to pass to `tell` after the commit; None without a session, or with one that somebody has
    claimed before.
    """
    session_id = caller.session_id
    if session_id is None or not await store.claim_session(tx, session_id, user_id):
        return None
    await outbox.record(tx, SessionClaimed(session_id=session_id, user_id=user_id, revision=next_revision(0)))
    return session_id


async def tell(context: Context, session_id: str | None, user_id: int) -> None:
    """Let the services that keep something for a claimed session apply it now, so that the next list shows it."""
    if session_id is not None:
        await context.session_keepers.claim(session_id, user_id)
