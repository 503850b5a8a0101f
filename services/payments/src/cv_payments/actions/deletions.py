"""Deleted resumes and accounts: close their checkout pages and end their subscriptions."""

from cv_common.kernel.database import Transaction
from cv_common.messaging import inbox
from cv_common.messaging.events import ResumeDeleted, UserDeleted

from cv_payments.actions.checkout_pages import abandon
from cv_payments.actions.context import Context
from cv_payments.actions.settle import settle_resume
from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.owners import Owner
from cv_payments.repository import checkouts, owners, payments, resumes, stripe_calls, subscriptions


async def on_resume_deleted(context: Context, event: ResumeDeleted) -> None:
    """Close the checkout pages of a deleted resume. A payment that arrives afterwards is refunded."""
    async with context.database.transaction() as tx:
        if not await inbox.mark_processed(tx, event):
            return
        for checkout in await checkouts.list_unfinished_of_resume(tx, event.resume_id):
            await _close(tx, checkout)
        resume = await resumes.lock(tx, event.resume_id)
        await resumes.mark_deleted(tx, resume)
        await settle_resume(tx, resume.id)


async def on_user_deleted(context: Context, event: UserDeleted) -> None:
    """End a deleted account's subscriptions and open checkouts. Its payments stay without a name, also at Stripe."""
    async with context.database.transaction() as tx:
        if not await inbox.mark_processed(tx, event):
            return
        owner = await owners.lock_user(tx, event.user_id)
        if owner.ended_at is None:
            await erase_owner(tx, owner)


async def erase_owner(tx: Transaction, owner: Owner) -> None:
    """End everything that a locked owner has, and delete its identity."""
    for checkout in await checkouts.list_unfinished(tx, owner.id):
        await _close(tx, checkout)
    for subscription in await subscriptions.list_of_owner(tx, owner.id):
        if subscription.is_live:
            await stripe_calls.order(tx, "cancel_subscription", subscription.id)
    for customer_id in await owners.list_customers(tx, owner):
        await stripe_calls.order(tx, "delete_customer", customer_id)
    await payments.delete_receipts(tx, owner.id)
    await owners.anonymize(tx, owner)


async def _close(tx: Transaction, checkout: Checkout) -> None:
    """Close a checkout. If its page is being opened, the request that opens it closes it."""
    if await abandon(tx, checkout):
        return
    current = await checkouts.find(tx, checkout.id)
    if current is not None and current.stripe_session_id is not None:
        await stripe_calls.order(tx, "expire_session", current.stripe_session_id)
