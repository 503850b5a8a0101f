"""Events about payments: a resume is paid, an owner is subscribed, or no longer."""

from cv_common.messaging import inbox
from cv_common.messaging.events import ResumePaymentChanged, SubscriptionChanged

from cv_resumes.actions.context import Context
from cv_resumes.domain.owners import Owner
from cv_resumes.repository import owners, payments


async def on_resume_payment_changed(context: Context, event: ResumePaymentChanged) -> None:
    """Store whether a resume is paid. Payments itself handles the payment of a deleted resume."""
    async with context.database.transaction() as tx:
        if await inbox.mark_processed(tx, event):
            await payments.upsert_payment(tx, event.resume_id, event.paid, event.revision)


async def on_subscription_changed(context: Context, event: SubscriptionChanged) -> None:
    """Store the end of an owner's subscription. Events about ended sessions and erased accounts change nothing."""
    owner = Owner(user_id=event.user_id, session_id=event.session_id)
    async with context.database.transaction() as tx:
        if await inbox.mark_processed(tx, event) and await owners.lock_live(tx, owner):
            await payments.upsert_subscription(tx, owner, event.entitled_until, event.revision)
