"""What follows from payments and subscriptions as they now are: what is granted, given back, ended and told.

Both functions look at the whole state, so the order in which the news came does not matter.
"""

import logging

from cv_common.kernel.database import Transaction
from cv_common.kernel.revision import next_revision
from cv_common.messaging import outbox
from cv_common.messaging.events import ResumePaymentChanged, SubscriptionChanged

from cv_payments.domain import payments as payment_rules
from cv_payments.domain import subscriptions as subscription_rules
from cv_payments.domain.payments import Payment
from cv_payments.domain.subscriptions import Grace, Standing
from cv_payments.repository import owners, payments, resumes, stripe_calls, subscriptions
from cv_payments.repository.owners import Owner

log = logging.getLogger(__name__)


async def settle_resume(tx: Transaction, resume_id: int) -> None:
    """Grant a resume by one of its payments, give back what nobody needs, tell when it became (un)paid."""
    resume = await resumes.lock(tx, resume_id)
    settlement = payment_rules.settle_resume(
        await payments.of_resume(tx, resume_id), deleted=resume.deleted_at is not None
    )
    for payment, reason in settlement.refunds:
        assert payment.stripe_payment_intent_id is not None, "what was paid has a PaymentIntent"
        await payments.order_refund(tx, payment, reason)
        await stripe_calls.refund(tx, payment.stripe_payment_intent_id, reason)
    await payments.grant(tx, resume_id, settlement.granting)
    paid = settlement.granting is not None
    if paid != resume.paid:
        revision = next_revision(resume.revision)
        await resumes.tell(tx, resume, paid, revision)
        await outbox.record(tx, ResumePaymentChanged(resume_id=resume_id, paid=paid, revision=revision))


async def standing_of(tx: Transaction, owner: Owner, grace: Grace) -> Standing:
    """What an owner's subscriptions amount to as they are stored."""
    mine = await subscriptions.of_owner(tx, owner.id)
    if not mine:
        return Standing()
    billed = await payments.of_subscriptions(tx, owner.id)
    suspended = {each.subscription_id for each in billed if each.is_suspended and each.subscription_id}
    return subscription_rules.standing(mine, grace, suspended)


async def settle_owner(tx: Transaction, owner_id: int, grace: Grace) -> None:
    """End what an owner has too much of, and tell what the subscriptions amount to when that is news."""
    owner = await owners.lock(tx, owner_id)
    await _end_superfluous(tx, owner)
    standing = await standing_of(tx, owner, grace)
    if standing == owner.told or not owner.is_known:
        return
    revision = next_revision(owner.revision)
    await owners.tell(tx, owner, standing, revision)
    await outbox.record(
        tx,
        SubscriptionChanged(
            user_id=owner.user_id,
            session_id=owner.session_id,
            status=standing.status,
            subscription_type=standing.subscription_type,
            subscription_end_date=standing.subscription_end_date,
            entitled_until=standing.entitled_until,
            revision=revision,
        ),
    )


async def _end_superfluous(tx: Transaction, owner: Owner) -> None:
    """Of two subscriptions that live at once the newer is ended and refunded; one that was refunded is ended."""
    mine = await subscriptions.of_owner(tx, owner.id)
    for newer in subscription_rules.superfluous(mine, owner.ended_at):
        log.warning("a subscription too many is ended", extra={"subscription": newer.id})
        await subscriptions.mark_superfluous(tx, newer)
        await stripe_calls.cancel_subscription(tx, newer.id)
    billed = await payments.of_subscriptions(tx, owner.id)
    for subscription in await subscriptions.of_owner(tx, owner.id):
        its_payments = [each for each in billed if each.subscription_id == subscription.id]
        if subscription.superfluous:
            await _refund(tx, its_payments)
        elif subscription.is_live and _was_refunded(its_payments):
            await stripe_calls.cancel_subscription(tx, subscription.id)


async def _refund(tx: Transaction, billed: list[Payment]) -> None:
    for payment in billed:
        if payment.counts and payment.is_refundable:
            assert payment.stripe_payment_intent_id is not None, "what was paid has a PaymentIntent"
            await payments.order_refund(tx, payment, "duplicate")
            await stripe_calls.refund(tx, payment.stripe_payment_intent_id, "duplicate")


def _was_refunded(billed: list[Payment]) -> bool:
    """Whether the latest of a subscription's payments was given back."""
    paid = [payment for payment in billed if payment.outcome == "succeeded"]
    return bool(paid) and paid[-1].status == "refunded"
