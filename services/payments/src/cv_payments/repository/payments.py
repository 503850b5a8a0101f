"""Payments. Each object of Stripe's that tells of one writes its own columns; `status` is computed from them all."""

from dataclasses import replace
from typing import Any

from cv_common.kernel.database import Row, Statement, Transaction
from sqlalchemy import and_, bindparam, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.offers import SubscriptionType
from cv_payments.domain.payments import Payment, RefundReason, payment_status
from cv_payments.domain.stripe_objects import StripeInvoice
from cv_payments.domain.subscriptions import Subscription
from cv_payments.tables import checkouts, owners, payments, subscriptions, words

_BY_ID = payments.c.id == bindparam("payment_id")
_FACTS = ("outcome", "stripe_payment_intent_id", "amount", "amount_refunded", "dispute_status", "receipt_url", "status")

_ADD_SINGLE = Statement(
    insert(payments).values(
        **{name: bindparam(name) for name in ("owner_id", "checkout_id", "payment_type", "resume_id")},
        amount=bindparam("amount"),
        currency=bindparam("currency"),
        outcome="pending",
        status="pending",
    )
)
_GET = Statement(select(payments).where(_BY_ID))
_OF_CHECKOUT = Statement(select(payments).where(payments.c.checkout_id == bindparam("checkout_id")))
_OF_INTENT = Statement(select(payments).where(payments.c.stripe_payment_intent_id == bindparam("intent_id")))
_OF_RESUME = Statement(select(payments).where(payments.c.resume_id == bindparam("resume_id")).order_by(payments.c.id))
_OF_SUBSCRIPTIONS = Statement(
    select(payments)
    .where(payments.c.owner_id == bindparam("owner_id"), payments.c.subscription_id.is_not(None))
    .order_by(payments.c.created_at, payments.c.id)
)
_FIRST_OF_SUBSCRIPTION = Statement(
    select(payments)
    .join(subscriptions)
    .where(subscriptions.c.checkout_id == bindparam("checkout_id"))
    .order_by(payments.c.created_at, payments.c.id)
    .limit(1)
)
_OF_INVOICE = Statement(
    upsert(payments)
    .values(
        owner_id=bindparam("owner_id"),
        subscription_id=bindparam("subscription_id"),
        payment_type=bindparam("payment_type"),
        stripe_invoice_id=bindparam("stripe_invoice_id"),
        amount=bindparam("amount"),
        currency=bindparam("currency"),
        outcome="pending",
        status="pending",
        created_at=bindparam("created_at"),
    )
    .on_conflict_do_update(
        index_elements=["stripe_invoice_id"], set_={"stripe_invoice_id": payments.c.stripe_invoice_id}
    )
    .returning(payments)
)
_HAS_INVOICE = Statement(select(payments.c.id).where(payments.c.stripe_invoice_id == bindparam("stripe_invoice_id")))
_CAN_BE_PAID = and_(checkouts.c.status.in_(words("open")), checkouts.c.expires_at > func.now())
_WAS_PAID = checkouts.c.status.in_(words("complete"))
"""Somebody paid, even if the bank refused a delayed payment afterwards."""
_DOES_NOT_FIT = and_(checkouts.c.status.in_(words("failed")), checkouts.c.stripe_session_id.is_not(None))
_MINE = Statement(
    select(payments)
    .select_from(payments.join(owners).outerjoin(checkouts, checkouts.c.id == payments.c.checkout_id))
    .where(
        or_(payments.c.checkout_id.is_(None), _CAN_BE_PAID, _WAS_PAID, _DOES_NOT_FIT),
        owners.c.ended_at.is_(None),
        (owners.c.user_id == bindparam("user_id")) | (owners.c.session_id == bindparam("session_id")),
    )
    .order_by(payments.c.created_at.desc(), payments.c.id.desc())
)
_WRITE_FACTS = Statement(
    update(payments).where(_BY_ID).values({name: bindparam(name) for name in _FACTS}).values(updated_at=func.now())
)
_ORDER_REFUND = Statement(update(payments).where(_BY_ID).values(refund_reason=bindparam("reason"), grants=False))
_GRANT_NOTHING = Statement(
    update(payments).where(payments.c.resume_id == bindparam("resume_id"), payments.c.grants).values(grants=False)
)
_GRANT = Statement(update(payments).where(_BY_ID).values(grants=True))
_MOVE = Statement(
    update(payments).where(payments.c.owner_id == bindparam("owner_id")).values(owner_id=bindparam("new_owner_id"))
)
_FORGET_RECEIPTS = Statement(
    update(payments).where(payments.c.owner_id == bindparam("owner_id")).values(receipt_url=None)
)


async def add_single(tx: Transaction, checkout: Checkout) -> None:
    """The payment that a checkout for one resume is about, pending from the start."""
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
    """A payment by its own id."""
    row = await tx.fetch_one(_GET, payment_id=payment_id)
    assert row is not None, "payments are never deleted"
    return _present(row)


async def of_checkout(tx: Transaction, checkout: Checkout) -> Payment:
    """The payment of a checkout for one resume."""
    row = await tx.fetch_one(_OF_CHECKOUT, checkout_id=checkout.id)
    assert row is not None, "it was added with the checkout"
    return _present(row)


async def of_intent(tx: Transaction, payment_intent_id: str | None) -> Payment | None:
    """The payment that a PaymentIntent is about, if we have heard of it yet."""
    row = await tx.fetch_one(_OF_INTENT, intent_id=payment_intent_id)
    return _present(row) if row else None


async def of_resume(tx: Transaction, resume_id: int) -> list[Payment]:
    """Everybody's payments for one resume, oldest first."""
    return [_present(row) for row in await tx.fetch_all(_OF_RESUME, resume_id=resume_id)]


async def of_subscriptions(tx: Transaction, owner_id: int) -> list[Payment]:
    """An owner's payments of subscriptions, oldest first."""
    return [_present(row) for row in await tx.fetch_all(_OF_SUBSCRIPTIONS, owner_id=owner_id)]


async def first_of_subscription(tx: Transaction, checkout: Checkout) -> Payment | None:
    """The payment by which a subscription began that was bought at this checkout, if it has come."""
    row = await tx.fetch_one(_FIRST_OF_SUBSCRIPTION, checkout_id=checkout.id)
    return _present(row) if row else None


async def of_invoice(
    tx: Transaction, invoice: StripeInvoice, subscription: Subscription, plan: SubscriptionType
) -> Payment:
    """The payment of an invoice, added when we hear of it for the first time."""
    row = await tx.fetch_one(
        _OF_INVOICE,
        owner_id=subscription.owner_id,
        subscription_id=subscription.id,
        payment_type=plan,
        stripe_invoice_id=invoice.id,
        amount=invoice.amount,
        currency=invoice.currency,
        created_at=invoice.created,
    )
    assert row is not None
    return _present(row)


async def has_invoice(tx: Transaction, invoice_id: str) -> bool:
    """Whether an invoice is known to be a payment."""
    return await tx.fetch_one(_HAS_INVOICE, stripe_invoice_id=invoice_id) is not None


async def visible(tx: Transaction, user_id: int | None, session_id: str | None) -> list[Payment]:
    """The payments of an account or a session, newest first. An abandoned checkout is none."""
    mine = {"user_id": user_id, "session_id": None if user_id is not None else session_id}
    return [_present(row) for row in await tx.fetch_all(_MINE, **mine)]


async def write_facts(tx: Transaction, payment: Payment, **facts: Any) -> None:
    """Store what one of Stripe's objects says of a payment (`outcome`, `amount_refunded`, ...) and what follows."""
    told = replace(payment, **facts)
    told = replace(told, status=payment_status(told.outcome, told.amount, told.amount_refunded, told.dispute_status))
    await tx.execute(_WRITE_FACTS, payment_id=payment.id, **{name: getattr(told, name) for name in _FACTS})


async def order_refund(tx: Transaction, payment: Payment, reason: RefundReason) -> None:
    """This payment is given back."""
    await tx.execute(_ORDER_REFUND, payment_id=payment.id, reason=reason)


async def grant(tx: Transaction, resume_id: int, payment: Payment | None) -> None:
    """This payment, and no other, is why a resume counts as paid."""
    await tx.execute(_GRANT_NOTHING, resume_id=resume_id)
    if payment is not None:
        await tx.execute(_GRANT, payment_id=payment.id)


async def forget_receipts(tx: Transaction, owner_id: int) -> None:
    """Forget the addresses of pages that show an erased account's name."""
    await tx.execute(_FORGET_RECEIPTS, owner_id=owner_id)


async def move(tx: Transaction, owner_id: int, new_owner_id: int) -> None:
    """Give all of one owner's payments to another."""
    await tx.execute(_MOVE, owner_id=owner_id, new_owner_id=new_owner_id)


def _present(row: Row) -> Payment:
    return Payment(**row)
