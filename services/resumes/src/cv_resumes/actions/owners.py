"""Owners come and go: a session is claimed by an account or merged into another session, an account is erased."""

from cv_common.kernel.database import Transaction
from cv_common.messaging import inbox
from cv_common.messaging.events import SessionClaimed, SessionMerged, UserDeleted

from cv_resumes.actions.context import Context
from cv_resumes.actions.photos import discard_photos, remove_photos
from cv_resumes.actions.resumes import tell_deleted
from cv_resumes.domain.owners import Owner
from cv_resumes.repository import keys, owners, payments, resumes


async def claim_session(context: Context, session_id: str, user_id: int) -> None:
    """Give an anonymous session's resumes and entitlement to an account and end it. The first claim stands."""
    async with context.database.transaction() as tx:
        discarded = await _claim(tx, session_id, user_id)
    await remove_photos(context, discarded)


async def on_session_claimed(context: Context, event: SessionClaimed) -> None:
    """The safety net of `claim_session`: the same, told by event."""
    async with context.database.transaction() as tx:
        if not await inbox.mark_processed(tx, event):
            return
        discarded = await _claim(tx, event.session_id, event.user_id)
    await remove_photos(context, discarded)


async def _claim(tx: Transaction, session_id: str, user_id: int) -> list[str]:
    """The photos that were discarded: what an erased account claimed goes the way of the account."""
    session, user = Owner(session_id=session_id), Owner(user_id=user_id)
    if await owners.end_session(tx, session_id, user_id) != user_id:
        return []
    is_live = await owners.lock_live(tx, user)
    await _move_belongings(tx, session, user)
    await keys.copy_keys(tx, session, user)
    return [] if is_live else await _erase(tx, user)


async def merge_session(context: Context, session_id: str, into_session_id: str) -> None:
    """Give an anonymous session's resumes and entitlement to another one and end it."""
    async with context.database.transaction() as tx:
        await _merge(tx, session_id, into_session_id)


async def on_session_merged(context: Context, event: SessionMerged) -> None:
    """The safety net of `merge_session`: the same, told by event."""
    async with context.database.transaction() as tx:
        if await inbox.mark_processed(tx, event):
            await _merge(tx, event.session_id, event.into_session_id)


async def _merge(tx: Transaction, session_id: str, into_session_id: str) -> None:
    """Nothing happens when either has ended: where the second one has, auth tells anew whom the first one goes to."""
    session, remaining = Owner(session_id=session_id), Owner(session_id=into_session_id)
    if not await owners.lock_live(tx, session) or not await owners.lock_live(tx, remaining):
        return
    await owners.end_session(tx, session_id)
    await _move_belongings(tx, session, remaining)
    await keys.move_keys(tx, session, remaining)


async def _move_belongings(tx: Transaction, session: Owner, other: Owner) -> None:
    """Move what an ended session has to another owner."""
    await resumes.move(tx, session, other)
    until = await payments.entitled_until(tx, session)
    if until is not None:
        await payments.extend_subscription(tx, other, until)
    await payments.forget_subscription(tx, session)


async def on_user_deleted(context: Context, event: UserDeleted) -> None:
    """Erase what an erased account wrote; it writes nothing any more."""
    async with context.database.transaction() as tx:
        if not await inbox.mark_processed(tx, event):
            return
        await owners.end_user(tx, event.user_id)
        discarded = await _erase(tx, Owner(user_id=event.user_id))
    await remove_photos(context, discarded)


async def _erase(tx: Transaction, owner: Owner) -> list[str]:
    """The photos that were discarded."""
    removed = await resumes.remove_all(tx, owner)
    for resume in removed:
        await tell_deleted(tx, resume)
    await payments.forget_subscription(tx, owner)
    return await discard_photos(tx, [resume["photo"] for resume in removed])
