"""Making our rows say what Stripe says now of one object.

An event only tells that something about an object changed. Each function here locks the object, asks Stripe for it
afterwards, compares it with what we asked for, writes the columns that this object owns, and settles what follows:
all in the caller's transaction. So events may come late, twice, at once, and in any order.

Locks are taken in this order: session or invoice, then subscription or charge, then owner, then resume.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from cv_common.db import Transaction

from cv_payments.actions.context import Context
from cv_payments.actions.settle import settle_owner, settle_resume, standing_of
from cv_payments.clients.stripe_connection import StripeMissing
from cv_payments.domain.checkouts import Checkout, CheckoutStatus, misfit
from cv_payments.domain.events import KINDS, Kind
from cv_payments.domain.findings import NotOurs, Quarantined
from cv_payments.domain.offers import CURRENCY, SubscriptionType
from cv_payments.domain.payments import Payment, invoice_outcome, session_outcome
from cv_payments.domain.stripe_objects import StripeCharge, StripeSession, StripeSubscription
from cv_payments.domain.subscriptions import contract_status
from cv_payments.store import checkouts, owners, payments, subscriptions
from cv_payments.store.owners import Owner


async def refresh(context: Context, tx: Transaction, event_type: str, object_id: str | None) -> int:
    """What an event of this type asks for. The id of the owner it concerns.

    Raises NotOurs, Quarantined, StripeDown and Unavailable.
    """
    kind = KINDS.get(event_type)
    if kind is None:
        raise NotOurs(f"nothing follows from {event_type}")
    if object_id is None:
        raise Quarantined("the event does not say what it is about")
    try:
        return await _REFRESH[kind](context, tx, object_id)
    except StripeMissing as missing:
        raise Quarantined(f"Stripe has no {object_id} in this account") from missing


async def refresh_session(context: Context, tx: Transaction, session_id: str) -> int:
    """A checkout was completed, paid later, refused later, or it expired."""
    await tx.lock("stripe", session_id)
    session = await context.stripe.session(session_id)
    checkout = await _checkout_of(tx, session.checkout_id)
    if (misfits := misfit(checkout, session, context.settings.livemode)) is not None:
        raise Quarantined(misfits)
    if session.subscription_id is not None:
        await refresh_subscription(context, tx, session.subscription_id)
    charge = await _locked_charge(context, tx, session.charge_id) if session.charge_id else None
    owner = await owners.lock_of_checkout(tx, checkout.id)
    await checkouts.follow(tx, checkout.id, session.id, _session_status(session))
    if session.customer_id is not None:
        await owners.keep_customer(tx, owner, session.customer_id)
    if checkout.resume_id is not None:
        payment = await payments.of_checkout(tx, checkout)
        await payments.write_facts(
            tx, payment, **_facts_of_session(session), **(_facts_of_charge(charge) if charge else {})
        )
        await settle_resume(tx, checkout.resume_id)
    return owner.id


async def _checkout_of(tx: Transaction, checkout_id: UUID | None) -> Checkout:
    checkout = await checkouts.get(tx, checkout_id) if checkout_id else None
    if checkout is None:
        raise NotOurs("no checkout of ours began it")
    return checkout


def _session_status(session: StripeSession) -> CheckoutStatus:
    match session.status:
        case "open" | "complete" | "expired":
            return session.status
        case unknown:
            raise Quarantined(f"unknown session status {unknown!r}")


def _facts_of_session(session: StripeSession) -> dict[str, object]:
    return {"outcome": session_outcome(session), "stripe_payment_intent_id": session.payment_intent_id}


async def refresh_subscription(context: Context, tx: Transaction, subscription_id: str) -> int:
    """A subscription began, renewed, changed plan, fell behind, was scheduled to end, or ended."""
    await tx.lock("stripe", subscription_id)
    told = await context.stripe.subscription(subscription_id)
    checkout = await checkouts.get(tx, told.checkout_id) if told.checkout_id else None
    owner = await _owner_of_subscription(tx, told, checkout)
    if told.livemode != context.settings.livemode:
        raise Quarantined(f"livemode: {told.livemode!r}")
    contract_status(told.status)
    plan = await _plan_of(context, tx, told, checkout)
    before = await standing_of(tx, owner)
    await subscriptions.keep(tx, told, owner.id, checkout.id if checkout else None, plan)
    await owners.keep_customer(tx, owner, told.customer_id)
    await settle_owner(tx, owner, before)
    return owner.id


async def _owner_of_subscription(tx: Transaction, told: StripeSubscription, checkout: Checkout | None) -> Owner:
    """Whose it is, locked: as we know it, else by the checkout that began it, else by Stripe's customer."""
    if await subscriptions.get(tx, told.id) is not None:
        return await owners.lock_of_subscription(tx, told.id)
    if checkout is not None:
        return await owners.lock_of_checkout(tx, checkout.id)
    owner = await owners.lock_of_customer(tx, told.customer_id)
    if owner is None:
        raise NotOurs("no checkout and no customer of ours")
    return owner


async def _plan_of(
    context: Context, tx: Transaction, told: StripeSubscription, checkout: Checkout | None
) -> SubscriptionType:
    """The plan at the subscription's price: today's price, the one its checkout had, or the one it has kept since."""
    if (plan := context.catalogue.plan_at(told.price_id)) is not None:
        return plan
    known = await subscriptions.get(tx, told.id)
    if known is not None and known.price_id == told.price_id:
        return known.subscription_type
    if checkout is not None and checkout.price_id == told.price_id and checkout.payment_type != "single":
        return checkout.payment_type
    raise Quarantined(f"the price {told.price_id} is none of ours")


async def refresh_invoice(context: Context, tx: Transaction, invoice_id: str) -> int:
    """An invoice of a subscription was paid, could not be collected, or was given up."""
    await tx.lock("stripe", invoice_id)
    invoice = await context.stripe.invoice(invoice_id)
    if invoice.subscription_id is None:
        raise NotOurs("the invoice bills no subscription")
    await refresh_subscription(context, tx, invoice.subscription_id)
    owner = await owners.lock_of_subscription(tx, invoice.subscription_id)
    if (invoice.livemode, invoice.currency) != (context.settings.livemode, CURRENCY):
        raise Quarantined(f"livemode: {invoice.livemode!r}, currency: {invoice.currency!r}")
    if invoice.amount == 0 or invoice.status == "draft":
        return owner.id
    subscription = await subscriptions.get(tx, invoice.subscription_id)
    assert subscription is not None, "it was refreshed just now"
    before = await standing_of(tx, owner)
    plan = context.catalogue.plan_at(invoice.price_id) or subscription.subscription_type
    payment = await payments.of_invoice(tx, invoice, subscription, plan)
    await payments.write_facts(
        tx,
        payment,
        outcome=invoice_outcome(invoice),
        amount=invoice.amount,
        stripe_payment_intent_id=invoice.payment_intent_id or payment.stripe_payment_intent_id,
        receipt_url=invoice.hosted_invoice_url,
    )
    await settle_owner(tx, owner, before)
    return owner.id


async def refresh_charge(context: Context, tx: Transaction, charge_id: str) -> int:
    """A payment was refunded, wholly or in part."""
    payment = await _payment_of(context, tx, await context.stripe.charge(charge_id))
    charge = await _locked_charge(context, tx, charge_id)
    owner = await owners.lock_of_payment(tx, payment.id)
    await _write_and_settle(tx, owner, charge.payment_intent_id, _facts_of_charge(charge))
    return owner.id


async def _payment_of(context: Context, tx: Transaction, charge: StripeCharge) -> Payment:
    """The payment that a charge paid. If we have not heard of that yet, Stripe is asked what it was for."""
    payment = await payments.of_intent(tx, charge.payment_intent_id)
    if payment is None and charge.payment_intent_id is not None:
        checkout = await checkouts.get(tx, charge.checkout_id) if charge.checkout_id else None
        if checkout is not None and checkout.stripe_session_id is not None:
            await refresh_session(context, tx, checkout.stripe_session_id)
        elif (invoice_id := await context.stripe.invoice_of_intent(charge.payment_intent_id)) is not None:
            await refresh_invoice(context, tx, invoice_id)
        payment = await payments.of_intent(tx, charge.payment_intent_id)
    if payment is None:
        raise NotOurs("nothing of ours was paid with it")
    return payment


async def _locked_charge(context: Context, tx: Transaction, charge_id: str) -> StripeCharge:
    await tx.lock("stripe", charge_id)
    return await context.stripe.charge(charge_id)


def _facts_of_charge(charge: StripeCharge) -> dict[str, object]:
    return {"amount_refunded": charge.amount_refunded, "receipt_url": charge.receipt_url}


async def refresh_refund(context: Context, tx: Transaction, refund_id: str) -> int:
    """A refund went through later, or failed after all: the charge has the sum."""
    charge_id = await context.stripe.charge_of_refund(refund_id)
    if charge_id is None:
        raise NotOurs("the refund gives back no charge")
    return await refresh_charge(context, tx, charge_id)


async def refresh_dispute(context: Context, tx: Transaction, dispute_id: str) -> int:
    """A cardholder disputes a payment, or that came to an end."""
    await tx.lock("stripe", dispute_id)
    dispute = await context.stripe.dispute(dispute_id)
    payment = await payments.of_intent(tx, dispute.payment_intent_id)
    if payment is None:
        await refresh_charge(context, tx, dispute.charge_id)
        payment = await payments.of_intent(tx, dispute.payment_intent_id)
    if payment is None:
        raise NotOurs("nothing of ours was paid with it")
    owner = await owners.lock_of_payment(tx, payment.id)
    await _write_and_settle(tx, owner, dispute.payment_intent_id, {"dispute_status": dispute.status})
    return owner.id


async def _write_and_settle(
    tx: Transaction, owner: Owner, payment_intent_id: str | None, facts: dict[str, object]
) -> None:
    """Store facts about a payment whose owner is locked, and what follows from them."""
    before = await standing_of(tx, owner)
    payment = await payments.of_intent(tx, payment_intent_id)
    assert payment is not None, "it was found before its owner was locked"
    if payment.stripe_invoice_id is not None:
        facts = {name: fact for name, fact in facts.items() if name != "receipt_url"}  # the invoice's is better
    await payments.write_facts(tx, payment, **facts)
    if payment.resume_id is not None:
        await settle_resume(tx, payment.resume_id)
    else:
        await settle_owner(tx, owner, before)


_REFRESH: dict[Kind, Callable[[Context, Transaction, str], Awaitable[int]]] = {
    "session": refresh_session,
    "subscription": refresh_subscription,
    "invoice": refresh_invoice,
    "charge": refresh_charge,
    "refund": refresh_refund,
    "dispute": refresh_dispute,
}
