"""Synchronization of stored rows with an object at Stripe.

A `StripeSync` works within one transaction. It locks the object, then fetches it from Stripe, compares it with the
checkout and the offers, and stores it. Then it settles the resumes and owners concerned. Because it stores the
current state, events may arrive late, twice, at once, and in any order.

Order of locks: disputes of a charge, session, invoice, charge, subscription, owner, resume.
"""

import logging
from datetime import UTC, datetime, timedelta

from cv_common.kernel.database import Transaction
from cv_common.kernel.errors import ServiceUnavailable

from cv_payments.actions.context import Context
from cv_payments.actions.settle import settle_owner, settle_resume
from cv_payments.clients.stripe_connection import StripeNotFound, StripeRequestError
from cv_payments.domain.checkouts import Checkout, CheckoutStatus
from cv_payments.domain.errors import ForeignObject, Quarantined
from cv_payments.domain.events import ObjectKind
from cv_payments.domain.mismatches import allowed_prices, invoice_mismatch, session_mismatch, subscription_mismatch
from cv_payments.domain.owners import Owner
from cv_payments.domain.payments import Payment, PaymentFacts, decisive_dispute, invoice_outcome, session_outcome
from cv_payments.domain.stripe_objects import StripeCharge, StripeSession, StripeSubscription
from cv_payments.domain.subscriptions import Subscription, api_status
from cv_payments.repository import checkouts, owners, payments, resumes, stripe_calls, subscriptions

log = logging.getLogger(__name__)

_SESSION_DELAY = timedelta(minutes=10)
"""How long after a subscription's creation Stripe may not list its session yet."""


async def sync_object(context: Context, kind: ObjectKind, object_id: str) -> None:
    """Synchronize one object in a transaction of its own. Raises what `StripeSync.sync` raises."""
    async with context.stripe_semaphore, context.database.transaction() as tx:
        await StripeSync(context, tx).sync(kind, object_id)


async def refresh_subscription(context: Context, subscription_id: str) -> None:
    """Synchronize a stored subscription. One that does not match is logged, and stays as it is.

    Raises StripeUnavailable and ServiceUnavailable.
    """
    try:
        await sync_object(context, "subscription", subscription_id)
    except (Quarantined, ForeignObject, StripeRequestError) as reason:
        log.error("a subscription does not match", extra={"subscription": subscription_id, "reason": str(reason)})


class StripeSync:
    """One synchronization within a transaction."""

    def __init__(self, context: Context, tx: Transaction) -> None:
        self._stripe = context.stripe
        self._catalog = context.catalog
        self._grace = context.grace
        self._livemode = context.settings.livemode
        self._tx = tx
        self._owner_ids: set[int] = set()
        self._resume_ids: set[int] = set()

    async def sync(self, kind: ObjectKind, object_id: str) -> Owner:
        """Store what Stripe says about an object, and settle what follows. Returns the owner.

        Raises ForeignObject, Quarantined, StripeUnavailable, StripeRequestError and ServiceUnavailable.
        """
        try:
            owner = await self._sync_object(kind, object_id)
        except StripeNotFound as error:
            raise Quarantined(f"Stripe has no {object_id} in this account") from error
        for resume_id in sorted(self._resume_ids):
            await settle_resume(self._tx, resume_id)
        for owner_id in sorted(self._owner_ids):
            await settle_owner(self._tx, owner_id, self._grace)
        return owner

    async def _sync_object(self, kind: ObjectKind, object_id: str) -> Owner:
        match kind:
            case "session":
                return await self._sync_session(object_id)
            case "subscription":
                return await self._sync_subscription(object_id)
            case "invoice":
                return await self._sync_invoice(object_id)
            case "charge":
                return await self._sync_charge(object_id)
            case "refund":
                return await self._sync_refund(object_id)
            case "dispute":
                return await self._sync_dispute(object_id)

    async def _sync_session(self, session_id: str) -> Owner:
        """Synchronize a checkout that was completed, paid or rejected later, or has expired."""
        await self._lock(session_id)
        session = await self._stripe.get_session(session_id)
        checkout = await checkouts.find(self._tx, session.checkout_id)
        if checkout is None:
            raise ForeignObject("no checkout of this service started it")
        _quarantine_if(session_mismatch(checkout, session, self._livemode))
        if session.mode == "subscription" and session.invoice_id is not None:
            await self._sync_invoice(session.invoice_id, session)
        elif session.subscription_id is not None:
            await self._sync_subscription(session.subscription_id, session)
        charge = await self._lock_charge(session.charge_id) if session.charge_id else None
        owner = await owners.lock_owner_of(self._tx, "checkouts", checkout.id)
        await checkouts.update_from_session(
            self._tx, checkout.id, session.id, _checkout_status(session), session.customer_id
        )
        if session.customer_id is not None:
            await self._add_customer(owner, session.customer_id)
        if checkout.resume_id is not None:
            await self._lock_resume(checkout.resume_id)
            payment = await payments.get_of_checkout(self._tx, checkout)
            facts = _session_facts(session)
            if charge is not None:
                facts.update(_charge_facts(charge))
            await self._store_facts(owner, payment, facts)
        return owner

    async def _sync_subscription(self, subscription_id: str, session: StripeSession | None = None) -> Owner:
        """Synchronize a subscription that was created, renewed, changed, unpaid, scheduled to end, or ended.

        `session` is the session that started it, where it is known.
        """
        await self._lock(subscription_id)
        at_stripe = await self._stripe.get_subscription(subscription_id)
        checkout = await checkouts.find(self._tx, at_stripe.checkout_id)
        stored = await subscriptions.find(self._tx, at_stripe.id)
        if stored is None and checkout is not None:
            await self._check_start(at_stripe, checkout, session)
        owner = await self._lock_owner(at_stripe, stored, checkout)
        api_status(at_stripe.status)  # quarantines an unknown status
        prices = allowed_prices(self._catalog.plans(), stored, checkout)
        _quarantine_if(subscription_mismatch(at_stripe, prices.amounts, self._livemode))
        plan = prices.plans.get(at_stripe.price_id) or (stored.subscription_type if stored else None)
        if plan is None:
            raise Quarantined(f"the price {at_stripe.price_id} is not an allowed price")
        await subscriptions.upsert_from_stripe(self._tx, at_stripe, owner.id, checkout.id if checkout else None, plan)
        await self._add_customer(owner, at_stripe.customer_id)
        self._owner_ids.add(owner.id)
        return owner

    async def _sync_invoice(self, invoice_id: str, session: StripeSession | None = None) -> Owner:
        """Synchronize an invoice of a subscription that was paid, not collected, or given up.

        An invoice of 0 is a payment only if it is the subscription's first.
        """
        await self._lock(invoice_id)
        invoice = await self._stripe.get_invoice(invoice_id)
        if invoice.subscription_id is None:
            raise ForeignObject("the invoice bills no subscription")
        owner = await self._sync_subscription(invoice.subscription_id, session)
        subscription = await subscriptions.find(self._tx, invoice.subscription_id)
        assert subscription is not None, "it was just stored"
        checkout = await checkouts.find(self._tx, subscription.checkout_id)
        prices = allowed_prices(self._catalog.plans(), subscription, checkout)
        _quarantine_if(invoice_mismatch(invoice, prices.amounts, self._livemode))
        is_payment = invoice.amount > 0 or invoice.is_first or await payments.has_invoice(self._tx, invoice_id)
        if invoice.status == "draft" or not is_payment:
            return owner
        plan = prices.plans.get(invoice.price_id or "") or subscription.subscription_type
        payment = await payments.get_or_add_of_invoice(self._tx, invoice, subscription, plan)
        await self._store_facts(
            owner,
            payment,
            {
                "outcome": invoice_outcome(invoice),
                "amount": invoice.amount,
                "stripe_payment_intent_id": invoice.payment_intent_id or payment.stripe_payment_intent_id,
                "receipt_url": invoice.hosted_invoice_url,
            },
        )
        return owner

    async def _sync_charge(self, charge_id: str) -> Owner:
        """Synchronize a payment that was refunded, in full or in part."""
        payment = await self._payment_of(await self._stripe.get_charge(charge_id))
        charge = await self._lock_charge(charge_id)
        return await self._update_payment(payment, _charge_facts(charge))

    async def _sync_refund(self, refund_id: str) -> Owner:
        """Synchronize a refund that went through late, or failed. The charge has the sum of its refunds.

        If the service ordered a refund that failed, an operator must know that the money is still owed.
        """
        refund = await self._stripe.get_refund(refund_id)
        if refund.charge_id is None:
            raise ForeignObject("the refund belongs to no charge")
        owner = await self._sync_charge(refund.charge_id)
        payment = await payments.find_by_intent(self._tx, refund.payment_intent_id)
        if refund.has_failed and payment is not None and payment.status == "succeeded" and payment.refund_reason:
            await stripe_calls.add_failed_refund(self._tx, refund, payment.refund_reason)
        return owner

    async def _sync_dispute(self, dispute_id: str) -> Owner:
        """Synchronize a dispute that was opened, changed or closed. All disputes of its charge decide together."""
        charge_id = await self._stripe.get_disputed_charge(dispute_id)
        await self._lock(f"disputes of {charge_id}")
        statuses = await self._stripe.list_dispute_statuses(charge_id)
        payment = await self._payment_of(await self._stripe.get_charge(charge_id))
        return await self._update_payment(payment, {"dispute_status": decisive_dispute(statuses)})

    async def _lock_owner(
        self, at_stripe: StripeSubscription, stored: Subscription | None, checkout: Checkout | None
    ) -> Owner:
        """Return the owner of a subscription: the stored one, else its checkout's, else the customer's."""
        if stored is not None:
            return await owners.lock_owner_of(self._tx, "subscriptions", stored.id)
        if checkout is not None:
            return await owners.lock_owner_of(self._tx, "checkouts", checkout.id)
        owner = await owners.lock_customer(self._tx, at_stripe.customer_id)
        if owner is None:
            raise ForeignObject("no checkout and no customer of this service")
        return owner

    async def _check_start(
        self, at_stripe: StripeSubscription, checkout: Checkout, session: StripeSession | None
    ) -> None:
        """Check that the session of `checkout` started a new subscription that names this checkout."""
        if session is None:
            session_id = await self._stripe.find_session_of_subscription(at_stripe.id)
            if session_id is None:
                if datetime.now(UTC) - at_stripe.created < _SESSION_DELAY:
                    raise ServiceUnavailable
                raise Quarantined(f"{checkout.id} did not start {at_stripe.id}")
            session = await self._stripe.get_session(session_id)
        _quarantine_if(session_mismatch(checkout, session, self._livemode))

    async def _payment_of(self, charge: StripeCharge) -> Payment:
        """Return the payment that a charge paid. One that is not stored yet is synchronized first."""
        payment = await payments.find_by_intent(self._tx, charge.payment_intent_id)
        if payment is None and charge.payment_intent_id is not None:
            checkout = await checkouts.find(self._tx, charge.checkout_id)
            if checkout is not None and checkout.stripe_session_id is not None:
                await self._sync_session(checkout.stripe_session_id)
            elif (invoice_id := await self._stripe.find_invoice_of_intent(charge.payment_intent_id)) is not None:
                await self._lock(invoice_id)
                await self._lock(charge.id)  # before the owner, which _sync_invoice locks
                await self._sync_invoice(invoice_id)
            payment = await payments.find_by_intent(self._tx, charge.payment_intent_id)
        if payment is None:
            raise ForeignObject("it paid no payment of this service")
        return payment

    async def _lock_charge(self, charge_id: str) -> StripeCharge:
        await self._lock(charge_id)
        return await self._stripe.get_charge(charge_id)

    async def _lock(self, object_id: str) -> None:
        await self._tx.lock("stripe", object_id)

    async def _update_payment(self, found: Payment, facts: PaymentFacts) -> Owner:
        """Store what a charge or a dispute says about a payment."""
        owner = await owners.lock_owner_of(self._tx, "payments", found.id)
        if found.resume_id is not None:
            await self._lock_resume(found.resume_id)
        else:
            self._owner_ids.add(owner.id)
        payment = await payments.get(self._tx, found.id)
        if payment.stripe_invoice_id is not None:
            facts.pop("receipt_url", None)  # the invoice has a receipt of its own
        await self._store_facts(owner, payment, facts)
        return owner

    async def _store_facts(self, owner: Owner, payment: Payment, facts: PaymentFacts) -> None:
        """Store facts. The receipt shows a name, so it is left out once the owner's account is erased."""
        if not owner.is_known:
            facts.pop("receipt_url", None)
        await payments.update_facts(self._tx, payment.with_facts(facts))

    async def _add_customer(self, owner: Owner, customer_id: str) -> None:
        """Store an owner's customer; order its deletion if the owner's account is erased."""
        await owners.add_customer(self._tx, owner, customer_id)
        if not owner.is_known:
            await stripe_calls.order(self._tx, "delete_customer", customer_id)

    async def _lock_resume(self, resume_id: int) -> None:
        await resumes.lock(self._tx, resume_id)
        self._resume_ids.add(resume_id)


def _quarantine_if(mismatch: str | None) -> None:
    if mismatch is not None:
        raise Quarantined(mismatch)


def _checkout_status(session: StripeSession) -> CheckoutStatus:
    match session.status:
        case "open" | "complete" | "expired":
            return session.status
        case unknown:
            raise Quarantined(f"unknown session status {unknown!r}")


def _session_facts(session: StripeSession) -> PaymentFacts:
    facts: PaymentFacts = {
        "outcome": session_outcome(session),
        "stripe_payment_intent_id": session.payment_intent_id,
    }
    if session.status == "complete" and session.amount_total is not None:
        facts["amount"] = session.amount_total  # less than the price after a discount
    return facts


def _charge_facts(charge: StripeCharge) -> PaymentFacts:
    return {"amount_refunded": charge.amount_refunded, "receipt_url": charge.receipt_url}
