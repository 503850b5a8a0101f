"""Owners come and go: a session is claimed by an account, an account is erased."""

from cv_common import inbox
from cv_common.db import Transaction
from cv_common.events import SessionClaimed, UserDeleted

from cv_resumes.actions.context import Context
from cv_resumes.actions.photos import discard_photos, remove_photos
from cv_resumes.actions.resumes import tell_deleted
from cv_resumes.domain.owners import Owner
from cv_resumes.store import owners, payments, resumes


async def claim_session(context: Context, session_id: str, user_id: int) -> None:
    """Give an anonymous session's resumes and entitlement to an account and end it. The first claim stands."""
    async with context.database.transaction() as tx:
        discarded = await _claim(tx, session_id, user_id)
    await remove_photos(context, discarded)


async def on_session_claimed(context: Context, event: SessionClaimed) -> None:
    """The safety net of `claim_session`: the same, told by event."""
    async with context.database.transaction() as tx:
        if not await inbox.first_time(tx, event):
            return
        discarded = await _claim(tx, event.session_id, event.user_id)
    await remove_photos(context, discarded)


async def _claim(tx: Transaction, session_id: str, user_id: int) -> list[str]:
    """The photos that were discarded: what an erased account claimed goes the way of the account."""
    session, user = Owner(session_id=session_id), Owner(user_id=user_id)
    if await owners.end_session(tx, session_id, user_id) != user_id:
        return []
    is_live = await owners.lock_live(tx, user)
    await resumes.move(tx, session, user)
    until = await payments.entitled_until(tx, session)
    if until is not None:
        await payments.extend_subscription(tx, user, until)
    await payments.forget_subscription(tx, session)
    return [] if is_live else await _erase(tx, user)


async def on_user_deleted(context: Context, event: UserDeleted) -> None:
    """Erase what an erased account wrote; it writes nothing any more."""
    async with context.database.transaction() as tx:
        if not await inbox.first_time(tx, event):
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
