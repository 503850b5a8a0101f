"""Settlement: what follows from the stored payments and subscriptions. Grants, refunds, cancellations and events.

Both functions look at the whole state, so the order of Stripe's events does not matter.
"""

import logging
from collections.abc import Sequence

from cv_common.kernel.database import Transaction
from cv_common.kernel.revision import next_revision
from cv_common.messaging import outbox
from cv_common.messaging.events import ResumePaymentChanged, SubscriptionChanged

from cv_payments.domain import payments as payment_rules
from cv_payments.domain.owners import Owner
from cv_payments.domain.payments import Payment, RefundReason
from cv_payments.domain.subscriptions import GracePeriods, SubscriptionSummary, find_duplicates, summarize
from cv_payments.repository import owners, payments, resumes, stripe_calls, subscriptions

log = logging.getLogger(__name__)


async def settle_resume(tx: Transaction, resume_id: int) -> None:
    """Choose the payment that grants a resume, refund duplicates, and publish whether the resume is paid."""
    resume = await resumes.lock(tx, resume_id)
    settlement = payment_rules.settle_resume(
        await payments.list_of_resume(tx, resume_id), deleted=resume.deleted_at is not None
    )
    for payment, reason in settlement.refunds:
        await _order_refund(tx, payment, reason)
    await payments.set_granting(tx, resume_id, settlement.granting)
    paid = settlement.granting is not None
    if paid != resume.paid:
        revision = next_revision(resume.revision)
        await resumes.mark_published(tx, resume, paid, revision)
        await outbox.record(tx, ResumePaymentChanged(resume_id=resume_id, paid=paid, revision=revision))


async def summarize_owner(tx: Transaction, owner: Owner, grace: GracePeriods) -> SubscriptionSummary:
    """Return the summary of an owner's stored subscriptions."""
    stored = await subscriptions.list_of_owner(tx, owner.id)
    if not stored:
        return SubscriptionSummary()
    billed = await payments.list_of_subscriptions(tx, owner.id)
    suspended = {each.subscription_id for each in billed if each.is_suspended and each.subscription_id}
    return summarize(stored, grace, suspended)


async def settle_owner(tx: Transaction, owner_id: int, grace: GracePeriods) -> None:
    """End duplicate and refunded subscriptions, and publish the summary if it has changed."""
    owner = await owners.lock(tx, owner_id)
    await _end_subscriptions(tx, owner)
    summary = await summarize_owner(tx, owner, grace)
    if not owner.is_known or summary == await owners.last_published(tx, owner):
        return
    revision = next_revision(owner.revision)
    await owners.mark_published(tx, owner, summary, revision)
    await outbox.record(
        tx,
        SubscriptionChanged(
            user_id=owner.user_id,
            session_id=owner.session_id,
            status=summary.status,
            subscription_type=summary.subscription_type,
            subscription_end_date=summary.subscription_end_date,
            entitled_until=summary.entitled_until,
            revision=revision,
        ),
    )


async def _end_subscriptions(tx: Transaction, owner: Owner) -> None:
    """Cancel and refund the newer of two live subscriptions; cancel a refunded one."""
    for duplicate in find_duplicates(await subscriptions.list_of_owner(tx, owner.id), owner.ended_at):
        log.warning("a duplicate subscription is canceled", extra={"subscription": duplicate.id})
        await subscriptions.mark_duplicate(tx, duplicate)
        await stripe_calls.order(tx, "cancel_subscription", duplicate.id)
    billed = await payments.list_of_subscriptions(tx, owner.id)
    for subscription in await subscriptions.list_of_owner(tx, owner.id):
        of_this_one = [each for each in billed if each.subscription_id == subscription.id]
        if subscription.is_duplicate:
            for payment in of_this_one:
                if payment.counts and payment.is_refundable:
                    await _order_refund(tx, payment, "duplicate")
        elif subscription.is_live and _is_refunded(of_this_one):
            await stripe_calls.order(tx, "cancel_subscription", subscription.id)


async def _order_refund(tx: Transaction, payment: Payment, reason: RefundReason) -> None:
    assert payment.stripe_payment_intent_id is not None, "a refundable payment has a PaymentIntent"
    await payments.mark_refund_ordered(tx, payment, reason)
    await stripe_calls.order(tx, "refund", payment.stripe_payment_intent_id, reason)


def _is_refunded(billed: Sequence[Payment]) -> bool:
    """Return whether the latest successful payment was refunded."""
    paid = [payment for payment in billed if payment.outcome == "succeeded"]
    return bool(paid) and paid[-1].status == "refunded"
