"""Resumes and accounts that are gone: nobody pays for them any more."""

from cv_common.kernel.database import Transaction
from cv_common.messaging import inbox
from cv_common.messaging.events import ResumeDeleted, UserDeleted

from cv_payments.actions.context import Context
from cv_payments.actions.pages import give_up
from cv_payments.actions.settle import settle_resume
from cv_payments.domain.checkouts import Checkout
from cv_payments.repository import checkouts, owners, payments, resumes, stripe_calls, subscriptions
from cv_payments.repository.owners import Owner


async def on_resume_deleted(context: Context, event: ResumeDeleted) -> None:
    """Close the pages where the resume could be paid for. Who pays in the last moment gets it back."""
    async with context.database.transaction() as tx:
        if not await inbox.mark_processed(tx, event):
            return
        for checkout in await checkouts.unfinished_for_resume(tx, event.resume_id):
            await _close(tx, checkout)
        resume = await resumes.lock(tx, event.resume_id)
        await resumes.mark_deleted(tx, resume)
        await settle_resume(tx, resume.id)


async def on_user_deleted(context: Context, event: UserDeleted) -> None:
    """End an erased account's subscriptions and open checkouts; keep its payments, without a name, here and there."""
    async with context.database.transaction() as tx:
        if not await inbox.mark_processed(tx, event):
            return
        owner = await owners.lock_user(tx, event.user_id)
        if owner.ended_at is None:
            await erase(tx, owner)


async def erase(tx: Transaction, owner: Owner) -> None:
    """End all that a locked owner has, and forget who it was."""
    for checkout in await checkouts.unfinished(tx, owner.id):
        await _close(tx, checkout)
    for subscription in await subscriptions.of_owner(tx, owner.id):
        if subscription.is_live:
            await stripe_calls.cancel_subscription(tx, subscription.id)
    for customer_id in await owners.customers(tx, owner):
        await stripe_calls.delete_customer(tx, customer_id)
    await payments.forget_receipts(tx, owner.id)
    await owners.forget(tx, owner)


async def _close(tx: Transaction, checkout: Checkout) -> None:
    """Have an attempt's page closed. One that is only being opened is closed by whoever opens it."""
    if await give_up(tx, checkout):
        return
    now = await checkouts.get(tx, checkout.id)
    if now is not None and now.stripe_session_id is not None:
        await stripe_calls.expire_session(tx, now.stripe_session_id)
