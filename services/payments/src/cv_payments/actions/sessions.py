"""Anonymous sessions that end: an account or another session gets their purchases."""

from cv_common.kernel.database import Transaction
from cv_common.messaging import inbox
from cv_common.messaging.events import SessionClaimed, SessionMerged

from cv_payments.actions.context import Context
from cv_payments.actions.deletions import erase_owner
from cv_payments.actions.settle import settle_owner
from cv_payments.domain.owners import Owner
from cv_payments.repository import owners


async def claim_session(context: Context, session_id: str, user_id: int, event: SessionClaimed | None = None) -> None:
    """Transfer an anonymous session's purchases to an account and end the session. Only the first claim counts.

    If the account is erased, the purchases are erased like the account's own.
    """
    async with context.database.transaction() as tx:
        if event is not None and not await inbox.mark_processed(tx, event):
            return
        session = await owners.lock_session(tx, session_id)
        if session.ended_at is not None:
            return
        user = await owners.lock_user(tx, user_id)
        if user.ended_at is not None:
            await erase_owner(tx, session)
        else:
            await _transfer(context, tx, session, user)


async def on_session_claimed(context: Context, event: SessionClaimed) -> None:
    """Claim the session, in case the request of auth was lost."""
    await claim_session(context, event.session_id, event.user_id, event)


async def merge_session(
    context: Context, session_id: str, into_session_id: str, event: SessionMerged | None = None
) -> None:
    """Transfer an anonymous session's purchases to another session and end the first.

    Has no effect if either session has ended. If the second has, auth sends a new event with another receiver.
    """
    async with context.database.transaction() as tx:
        if event is not None and not await inbox.mark_processed(tx, event):
            return
        session = await owners.lock_session(tx, session_id)
        receiver = await owners.lock_session(tx, into_session_id)
        if session.ended_at is None and receiver.ended_at is None:
            await _transfer(context, tx, session, receiver)


async def on_session_merged(context: Context, event: SessionMerged) -> None:
    """Merge the sessions, in case the request of auth was lost."""
    await merge_session(context, event.session_id, event.into_session_id, event)


async def _transfer(context: Context, tx: Transaction, session: Owner, receiver: Owner) -> None:
    """Transfer what a session owns, and end it."""
    await owners.transfer(tx, session, receiver)
    await owners.end(tx, session)
    if session.customer_id is not None:
        await owners.add_customer(tx, receiver, session.customer_id)
    await settle_owner(tx, session.id, context.grace)
    await settle_owner(tx, receiver.id, context.grace)
