"""Apply the subscription events of payments."""

from cv_common.messaging import inbox
from cv_common.messaging.events import SubscriptionChanged

from cv_auth import repository
from cv_auth.actions.context import Context


async def on_subscription_changed(context: Context, event: SubscriptionChanged) -> None:
    """Store the subscription of an account.

    The subscription of an anonymous session is ignored: when an account claims the session, payments publishes another
    event for the account.
    """
    async with context.database.transaction() as tx:
        if event.user_id is not None and await inbox.mark_processed(tx, event):
            await repository.upsert_subscription(tx, event.user_id, event)
