"""What somebody has bought."""

from cv_common.kernel.errors import NotFound
from cv_common.kernel.identity import Caller

from cv_payments.actions.context import Context
from cv_payments.actions.polling import ask_stripe
from cv_payments.actions.settle import standing_of
from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.payments import Payment, PaymentStatus
from cv_payments.domain.subscriptions import Standing
from cv_payments.repository import checkouts, owners, payments, subscriptions


async def list_payments(context: Context, caller: Caller) -> list[Payment]:
    """The caller's payments, newest first."""
    async with context.database.connection() as tx:
        return await payments.visible(tx, caller.user_id, caller.session_id)


async def find_subscription(context: Context, caller: Caller) -> Standing:
    """What the caller's subscriptions amount to. Raises NotFound when there never was one."""
    async with context.database.connection() as tx:
        owner = await owners.of_caller(tx, caller.user_id, caller.session_id)
        if owner is None or not await subscriptions.of_owner(tx, owner.id):
            raise NotFound
        return await standing_of(tx, owner, context.grace)


async def find_checkout(context: Context, caller: Caller, stripe_session_id: str) -> tuple[Checkout, PaymentStatus]:
    """One of the caller's checkouts, by Stripe's session id, and what became of its payment. Raises NotFound.

    While that is pending, Stripe is asked now and then: its webhook may be late, or lost.
    """
    checkout, status = await _stored_checkout(context, caller, stripe_session_id)
    if status == "pending" and await ask_stripe(context, checkout, stripe_session_id):
        return await _stored_checkout(context, caller, stripe_session_id)
    return checkout, status


async def _stored_checkout(context: Context, caller: Caller, stripe_session_id: str) -> tuple[Checkout, PaymentStatus]:
    async with context.database.connection() as tx:
        checkout = await checkouts.visible(tx, stripe_session_id, caller.user_id, caller.session_id)
        if checkout is None:
            raise NotFound
        if checkout.resume_id is not None:
            return checkout, (await payments.of_checkout(tx, checkout)).status
        first = await payments.first_of_subscription(tx, checkout)
    if first is not None:
        return checkout, first.status
    return checkout, "failed" if checkout.status in {"expired", "failed"} else "pending"
