"""Changes of owners: a session is claimed by an account or merged into another session, an account is erased."""

from cv_common.kernel.database import Transaction
from cv_common.messaging import inbox
from cv_common.messaging.events import SessionClaimed, SessionMerged, UserDeleted

from cv_resumes.actions.context import Context
from cv_resumes.actions.photos import delete_photo_files
from cv_resumes.actions.resumes import clean_up_deleted
from cv_resumes.domain.owners import Owner
from cv_resumes.repository import idempotency, owners, payments, resumes


async def claim_session(context: Context, session_id: str, user_id: int) -> None:
    """Transfer an anonymous session's resumes and entitlement to an account and end it. Only the first claim counts."""
    async with context.database.transaction() as tx:
        photos = await _claim(tx, session_id, user_id)
    await delete_photo_files(context, photos)


async def on_session_claimed(context: Context, event: SessionClaimed) -> None:
    """Do the same as `claim_session`, in case that call failed."""
    async with context.database.transaction() as tx:
        if not await inbox.mark_processed(tx, event):
            return
        photos = await _claim(tx, event.session_id, event.user_id)
    await delete_photo_files(context, photos)


async def _claim(tx: Transaction, session_id: str, user_id: int) -> list[str]:
    """Return the photos whose files are to be deleted: those of an account that is already erased."""
    session, user = Owner(session_id=session_id), Owner(user_id=user_id)
    if await owners.end_session(tx, session_id, user_id) != user_id:
        return []
    is_live = await owners.lock_live(tx, user)
    await _transfer(tx, session, user)
    await idempotency.copy(tx, session, user)
    return [] if is_live else await _erase(tx, user)


async def merge_session(context: Context, session_id: str, into_session_id: str) -> None:
    """Transfer an anonymous session's resumes and entitlement to another session and end it."""
    async with context.database.transaction() as tx:
        await _merge(tx, session_id, into_session_id)


async def on_session_merged(context: Context, event: SessionMerged) -> None:
    """Do the same as `merge_session`, in case that call failed."""
    async with context.database.transaction() as tx:
        if await inbox.mark_processed(tx, event):
            await _merge(tx, event.session_id, event.into_session_id)


async def _merge(tx: Transaction, session_id: str, into_session_id: str) -> None:
    """Do nothing if either session has ended. If only the second has, auth publishes another event for the first."""
    session, remaining = Owner(session_id=session_id), Owner(session_id=into_session_id)
    if not await owners.lock_live(tx, session) or not await owners.lock_live(tx, remaining):
        return
    await owners.end_session(tx, session_id)
    await _transfer(tx, session, remaining)
    await idempotency.transfer(tx, session, remaining)


async def _transfer(tx: Transaction, session: Owner, other: Owner) -> None:
    await resumes.transfer(tx, session, other)
    until = await payments.entitled_until(tx, session)
    if until is not None:
        await payments.extend_subscription(tx, other, until)
    await payments.delete_subscription(tx, session)


async def on_user_deleted(context: Context, event: UserDeleted) -> None:
    """Delete an erased account's data. Nothing is created under the account from now on."""
    async with context.database.transaction() as tx:
        if not await inbox.mark_processed(tx, event):
            return
        await owners.end_user(tx, event.user_id)
        photos = await _erase(tx, Owner(user_id=event.user_id))
    await delete_photo_files(context, photos)


async def _erase(tx: Transaction, owner: Owner) -> list[str]:
    """Delete an owner's data. Returns the photos whose files are to be deleted."""
    await payments.delete_subscription(tx, owner)
    return await clean_up_deleted(tx, await resumes.delete_owned(tx, owner))
