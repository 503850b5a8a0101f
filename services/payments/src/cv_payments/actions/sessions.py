"""Anonymous sessions that end, in favor of an account or of another session: what was bought under one follows."""

from cv_common.kernel.database import Transaction
from cv_common.messaging import inbox
from cv_common.messaging.events import SessionClaimed, SessionMerged

from cv_payments.actions.context import Context
from cv_payments.actions.deletions import erase
from cv_payments.actions.settle import settle_owner
from cv_payments.repository import checkouts, owners, payments, subscriptions
from cv_payments.repository.owners import Owner


async def claim_session(context: Context, session_id: str, user_id: int) -> None:
    """Give an anonymous session's purchases to an account and end it. The first claim stands.

    Those of an account that is erased already are erased like its own.
    """
    async with context.database.transaction() as tx:
        await _claim(context, tx, session_id, user_id)


async def on_session_claimed(context: Context, event: SessionClaimed) -> None:
    """The safety net of `claim_session`: the same, told by event."""
    async with context.database.transaction() as tx:
        if await inbox.mark_processed(tx, event):
            await _claim(context, tx, event.session_id, event.user_id)


async def _claim(context: Context, tx: Transaction, session_id: str, user_id: int) -> None:
    session = await owners.lock_session(tx, session_id)
    if session.ended_at is not None:
        return
    user = await owners.lock_user(tx, user_id)
    if user.ended_at is not None:
        await erase(tx, session)
        return
    await _move_belongings(context, tx, session, user)


async def merge_session(context: Context, session_id: str, into_session_id: str) -> None:
    """Give an anonymous session's purchases to another one and end it."""
    async with context.database.transaction() as tx:
        await _merge(context, tx, session_id, into_session_id)


async def on_session_merged(context: Context, event: SessionMerged) -> None:
    """The safety net of `merge_session`: the same, told by event."""
    async with context.database.transaction() as tx:
        if await inbox.mark_processed(tx, event):
            await _merge(context, tx, event.session_id, event.into_session_id)


async def _merge(context: Context, tx: Transaction, session_id: str, into_session_id: str) -> None:
    """Nothing happens when either has ended: where the second one has, auth tells anew whom the first one goes to."""
    session = await owners.lock_session(tx, session_id)
    remaining = await owners.lock_session(tx, into_session_id)
    if session.ended_at is None and remaining.ended_at is None:
        await _move_belongings(context, tx, session, remaining)


async def _move_belongings(context: Context, tx: Transaction, session: Owner, other: Owner) -> None:
    """Move what a session has to another owner, and end it."""
    for belongings in (checkouts, payments, subscriptions):
        await belongings.move(tx, session.id, other.id)
    await owners.end(tx, session)
    if session.customer_id is not None:
        await owners.keep_customer(tx, other, session.customer_id)
    await settle_owner(tx, session.id, context.grace)
    await settle_owner(tx, other.id, context.grace)
