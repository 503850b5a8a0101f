"""What payments tells: a resume is bought, an owner is subscribed, or no longer."""

from cv_common.messaging import inbox
from cv_common.messaging.events import ResumePaymentChanged, SubscriptionChanged

from cv_resumes.actions.context import Context
from cv_resumes.domain.owners import Owner
from cv_resumes.repository import owners, payments


async def on_resume_payment_changed(context: Context, event: ResumePaymentChanged) -> None:
    """A resume was bought, or its payment was taken back. What is paid for one that is gone is payments' affair."""
    async with context.database.transaction() as tx:
        if await inbox.mark_processed(tx, event):
            await payments.keep_payment(tx, event.resume_id, event.paid, event.revision)


async def on_subscription_changed(context: Context, event: SubscriptionChanged) -> None:
    """An owner's subscription began, went on, or ended. What comes after the owner's end changes nothing."""
    owner = Owner(user_id=event.user_id, session_id=event.session_id)
    async with context.database.transaction() as tx:
        if await inbox.mark_processed(tx, event) and await owners.lock_live(tx, owner):
            await payments.keep_subscription(tx, owner, event.entitled_until, event.revision)
