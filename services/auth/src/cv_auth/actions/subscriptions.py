"""What payments tells of subscriptions."""

from cv_common.messaging import inbox
from cv_common.messaging.events import SubscriptionChanged

from cv_auth import repository
from cv_auth.actions.context import Context


async def on_subscription_changed(context: Context, event: SubscriptionChanged) -> None:
    """Remember an account's subscription.

    A session's is nothing to us: once the session is claimed, payments tells of it again as the account's.
    """
    async with context.database.transaction() as tx:
        if event.user_id is None or not await inbox.mark_processed(tx, event):
            return
        state = event.model_dump(include={"subscription_type", "subscription_end_date", "entitled_until", "revision"})
        await repository.keep_subscription(tx, event.user_id, state)
