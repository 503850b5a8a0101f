"""Resumes and accounts that are gone: nobody pays for them any more."""

from cv_common import inbox
from cv_common.events import ResumeDeleted, UserDeleted

from cv_payments.actions.context import Context
from cv_payments.actions.settle import settle_resume
from cv_payments.store import checkouts, owners, payments, resumes, stripe_calls, stripe_events, subscriptions


async def on_resume_deleted(context: Context, event: ResumeDeleted) -> None:
    """Close the pages where the resume could be paid for. Who pays in the last moment gets it back."""
    async with context.database.transaction() as tx:
        if not await inbox.first_time(tx, event):
            return
        resume = await resumes.lock(tx, event.resume_id)
        await resumes.deleted(tx, resume)
        for checkout in await checkouts.open_for_resume(tx, resume.id):
            if checkout.stripe_session_id is not None:
                await stripe_calls.expire_session(tx, checkout.stripe_session_id)
        await settle_resume(tx, resume.id)


async def on_user_deleted(context: Context, event: UserDeleted) -> None:
    """End an erased account's subscriptions and open checkouts; keep its payments, without a name."""
    async with context.database.transaction() as tx:
        if not await inbox.first_time(tx, event):
            return
        owner = await owners.lock_user(tx, event.user_id)
        if owner.ended_at is not None:
            return
        for checkout in await checkouts.unfinished(tx, owner.id):
            if checkout.stripe_session_id is not None:
                await stripe_calls.expire_session(tx, checkout.stripe_session_id)
        for subscription in await subscriptions.of_owner(tx, owner.id):
            if subscription.is_live:
                await stripe_calls.cancel_subscription(tx, subscription.id)
        await payments.forget_receipts(tx, owner.id)
        await stripe_events.purge_of(tx, owner.id)
        await owners.forget_user(tx, owner)
