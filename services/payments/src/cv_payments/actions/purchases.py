"""What a caller has bought."""

from cv_common.kernel.errors import NotFound
from cv_common.kernel.identity import Caller

from cv_payments.actions.context import Context
from cv_payments.actions.polling import poll_stripe
from cv_payments.actions.settle import summarize_owner
from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.payments import Payment, PaymentStatus
from cv_payments.domain.subscriptions import SubscriptionSummary
from cv_payments.repository import checkouts, owners, payments, subscriptions


async def list_payments(context: Context, caller: Caller) -> list[Payment]:
    """Return the caller's payments, newest first."""
    async with context.database.connection() as tx:
        return await payments.list_for_caller(tx, caller)


async def get_subscription(context: Context, caller: Caller) -> SubscriptionSummary:
    """Return the summary of the caller's subscriptions. Raises NotFound for a caller who never had one."""
    async with context.database.connection() as tx:
        owner = await owners.find_caller(tx, caller)
        if owner is None or not await subscriptions.list_of_owner(tx, owner.id):
            raise NotFound
        return await summarize_owner(tx, owner, context.grace)


async def get_checkout(context: Context, caller: Caller, stripe_session_id: str) -> tuple[Checkout, PaymentStatus]:
    """Return the caller's checkout with this Stripe session, and the status of its payment. Raises NotFound.

    A pending checkout is polled at Stripe from time to time, because a webhook may be late or lost.
    """
    checkout, status = await _stored_checkout(context, caller, stripe_session_id)
    if status == "pending" and await poll_stripe(context, checkout, stripe_session_id):
        return await _stored_checkout(context, caller, stripe_session_id)
    return checkout, status


async def _stored_checkout(context: Context, caller: Caller, stripe_session_id: str) -> tuple[Checkout, PaymentStatus]:
    async with context.database.connection() as tx:
        checkout = await checkouts.find_for_caller(tx, stripe_session_id, caller)
        if checkout is None:
            raise NotFound
        if checkout.resume_id is not None:
            return checkout, (await payments.get_of_checkout(tx, checkout)).status
        first = await payments.find_first_of_subscription(tx, checkout)
    if first is not None:
        return checkout, first.status
    return checkout, "failed" if checkout.status in {"expired", "failed"} else "pending"
