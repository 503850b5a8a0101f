"""Payments."""

from cv_common.kernel.database import Query, Scalar, Statement, Transaction
from cv_common.kernel.identity import Caller
from sqlalchemy import and_, bindparam, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.offers import SubscriptionType
from cv_payments.domain.payments import Payment, PaymentFacts, RefundReason
from cv_payments.domain.stripe_objects import StripeInvoice
from cv_payments.domain.subscriptions import Subscription
from cv_payments.repository.owners import OWNED_BY_CALLER, caller_values
from cv_payments.tables import checkouts, owners, parameters, payments, sql_literals, subscriptions

_BY_ID = payments.c.id == bindparam("payment_id")
_FACTS = ("status", *PaymentFacts.__annotations__)

_PENDING = {"outcome": "pending", "status": "pending"}
_ADD_SINGLE = Statement(
    insert(payments).values(
        _PENDING | parameters("owner_id", "checkout_id", "payment_type", "resume_id", "amount", "currency")
    )
)
_GET = Query(select(payments).where(_BY_ID), Payment)
_OF_CHECKOUT = Query(select(payments).where(payments.c.checkout_id == bindparam("checkout_id")), Payment)
_OF_INTENT = Query(select(payments).where(payments.c.stripe_payment_intent_id == bindparam("intent_id")), Payment)
_OF_RESUME = Query(
    select(payments).where(payments.c.resume_id == bindparam("resume_id")).order_by(payments.c.id), Payment
)
_OF_SUBSCRIPTIONS = Query(
    select(payments)
    .where(payments.c.owner_id == bindparam("owner_id"), payments.c.subscription_id.is_not(None))
    .order_by(payments.c.created_at, payments.c.id),
    Payment,
)
_FIRST_OF_SUBSCRIPTION = Query(
    select(payments)
    .join(subscriptions)
    .where(subscriptions.c.checkout_id == bindparam("checkout_id"))
    .order_by(payments.c.created_at, payments.c.id)
    .limit(1),
    Payment,
)
_GET_OR_ADD_OF_INVOICE = Query(
    upsert(payments)
    .values(
        _PENDING
        | parameters("owner_id", "subscription_id", "payment_type", "stripe_invoice_id")
        | parameters("amount", "currency", "created_at")
    )
    .on_conflict_do_update(
        index_elements=["stripe_invoice_id"], set_={"stripe_invoice_id": payments.c.stripe_invoice_id}
    )
    .returning(payments),
    Payment,
)
_HAS_INVOICE = Scalar(select(payments.c.id).where(payments.c.stripe_invoice_id == bindparam("stripe_invoice_id")), int)
_CAN_BE_PAID = and_(checkouts.c.status.in_(sql_literals("open")), checkouts.c.expires_at > func.now())
_WAS_PAID = checkouts.c.status.in_(sql_literals("complete"))
"""The buyer paid, even if the bank refused a delayed payment afterwards."""
_MISMATCHED = and_(checkouts.c.status.in_(sql_literals("failed")), checkouts.c.stripe_session_id.is_not(None))
_OF_CALLER = Query(
    select(payments)
    .select_from(payments.join(owners).outerjoin(checkouts, checkouts.c.id == payments.c.checkout_id))
    .where(or_(payments.c.checkout_id.is_(None), _CAN_BE_PAID, _WAS_PAID, _MISMATCHED), OWNED_BY_CALLER)
    .order_by(payments.c.created_at.desc(), payments.c.id.desc()),
    Payment,
)
_UPDATE_FACTS = Statement(update(payments).where(_BY_ID).values(parameters(*_FACTS)).values(updated_at=func.now()))
_MARK_REFUND_ORDERED = Statement(update(payments).where(_BY_ID).values(refund_reason=bindparam("reason"), grants=False))
_REVOKE = Statement(
    update(payments).where(payments.c.resume_id == bindparam("resume_id"), payments.c.grants).values(grants=False)
)
_GRANT = Statement(update(payments).where(_BY_ID).values(grants=True))
_DELETE_RECEIPTS = Statement(
    update(payments).where(payments.c.owner_id == bindparam("owner_id")).values(receipt_url=None)
)


async def add_single(tx: Transaction, checkout: Checkout) -> None:
    """Add the pending payment of a checkout for one resume."""
    await tx.execute(
        _ADD_SINGLE,
        owner_id=checkout.owner_id,
        checkout_id=checkout.id,
        payment_type=checkout.payment_type,
        resume_id=checkout.resume_id,
        amount=checkout.amount,
        currency=checkout.currency,
    )


async def get(tx: Transaction, payment_id: int) -> Payment:
    """Return a payment by its own id."""
    return _found(await tx.fetch_one(_GET, payment_id=payment_id))


async def get_of_checkout(tx: Transaction, checkout: Checkout) -> Payment:
    """Return the payment of a checkout for one resume."""
    return _found(await tx.fetch_one(_OF_CHECKOUT, checkout_id=checkout.id))


async def find_by_intent(tx: Transaction, payment_intent_id: str | None) -> Payment | None:
    """Return the payment with this PaymentIntent, if it is known already."""
    return await tx.fetch_one(_OF_INTENT, intent_id=payment_intent_id)


async def list_of_resume(tx: Transaction, resume_id: int) -> list[Payment]:
    """Return all owners' payments for one resume, oldest first."""
    return await tx.fetch_all(_OF_RESUME, resume_id=resume_id)


async def list_of_subscriptions(tx: Transaction, owner_id: int) -> list[Payment]:
    """Return an owner's payments for subscriptions, oldest first."""
    return await tx.fetch_all(_OF_SUBSCRIPTIONS, owner_id=owner_id)


async def find_first_of_subscription(tx: Transaction, checkout: Checkout) -> Payment | None:
    """Return the first payment of the subscription that was bought at this checkout, if it is known already."""
    return await tx.fetch_one(_FIRST_OF_SUBSCRIPTION, checkout_id=checkout.id)


async def get_or_add_of_invoice(
    tx: Transaction, invoice: StripeInvoice, subscription: Subscription, plan: SubscriptionType
) -> Payment:
    """Return the payment of an invoice. A new one is added."""
    payment = await tx.fetch_one(
        _GET_OR_ADD_OF_INVOICE,
        owner_id=subscription.owner_id,
        subscription_id=subscription.id,
        payment_type=plan,
        stripe_invoice_id=invoice.id,
        amount=invoice.amount,
        currency=invoice.currency,
        created_at=invoice.created,
    )
    return _found(payment)


async def has_invoice(tx: Transaction, invoice_id: str) -> bool:
    """Return whether a payment with this invoice is stored."""
    return await tx.fetch_one(_HAS_INVOICE, stripe_invoice_id=invoice_id) is not None


async def list_for_caller(tx: Transaction, caller: Caller) -> list[Payment]:
    """Return the caller's payments, newest first, without abandoned checkouts."""
    return await tx.fetch_all(_OF_CALLER, **caller_values(caller))


async def update_facts(tx: Transaction, payment: Payment) -> None:
    """Store the facts of a payment and its status."""
    await tx.execute(_UPDATE_FACTS, payment_id=payment.id, **{name: getattr(payment, name) for name in _FACTS})


async def mark_refund_ordered(tx: Transaction, payment: Payment, reason: RefundReason) -> None:
    """Store that the service has ordered a refund of this payment."""
    await tx.execute(_MARK_REFUND_ORDERED, payment_id=payment.id, reason=reason)


async def set_granting(tx: Transaction, resume_id: int, payment: Payment | None) -> None:
    """Make this payment the only one that grants a resume."""
    await tx.execute(_REVOKE, resume_id=resume_id)
    if payment is not None:
        await tx.execute(_GRANT, payment_id=payment.id)


async def delete_receipts(tx: Transaction, owner_id: int) -> None:
    """Delete the URLs of receipts, which show an erased account's name."""
    await tx.execute(_DELETE_RECEIPTS, owner_id=owner_id)


def _found(payment: Payment | None) -> Payment:
    assert payment is not None, "payments are never deleted"
    return payment
