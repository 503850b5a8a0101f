"""Making our rows say what Stripe says now of one object.

An event only tells that something about an object changed. A `Refresh` locks the object, asks Stripe for it
afterwards, compares it with what we asked for, and writes the columns that this object owns; when all is written it
settles what follows. That is one transaction, so events may come late, twice, at once, and in any order.

Locks are taken in this order: disputes of a charge, session, invoice, charge, subscription, owner, resume.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cv_common.kernel.database import Transaction
from cv_common.kernel.errors import ServiceUnavailable

from cv_payments.actions.context import Context
from cv_payments.actions.settle import settle_owner, settle_resume
from cv_payments.clients.stripe_connection import StripeMissing
from cv_payments.domain.checkouts import Checkout, CheckoutStatus
from cv_payments.domain.events import Kind
from cv_payments.domain.findings import NotOurs, Quarantined
from cv_payments.domain.misfits import invoice_misfit, plans_of, prices_of, session_misfit, subscription_misfit
from cv_payments.domain.payments import Payment, decisive_dispute, invoice_outcome, session_outcome
from cv_payments.domain.stripe_objects import StripeCharge, StripeSession, StripeSubscription
from cv_payments.domain.subscriptions import contract_status
from cv_payments.repository import checkouts, owners, payments, resumes, stripe_calls, subscriptions
from cv_payments.repository.owners import Owner

_BEGINNING = timedelta(minutes=10)
"""How long a new subscription may be heard of before Stripe says which session began it."""


async def refresh(context: Context, tx: Transaction, kind: Kind, object_id: str) -> int:
    """Bring one object up to date, with what follows from it. The id of the owner it concerns.

    Raises NotOurs, Quarantined, StripeDown, StripeRefused and ServiceUnavailable.
    """
    found = Refresh(context, tx)
    look: dict[Kind, Callable[[str], Awaitable[Owner]]] = {
        "session": found.session,
        "subscription": found.subscription,
        "invoice": found.invoice,
        "charge": found.charge,
        "refund": found.refund,
        "dispute": found.dispute,
    }
    try:
        owner = await look[kind](object_id)
    except StripeMissing as missing:
        raise Quarantined(f"Stripe has no {object_id} in this account") from missing
    await found.settle()
    return owner.id


async def look_at(context: Context, kind: Kind, object_id: str) -> None:
    """The same in a transaction of its own, in turn with Stripe's events: each holds a connection while it asks."""
    async with context.slots, context.database.transaction() as tx:
        await refresh(context, tx, kind, object_id)


class Refresh:
    """One transaction's worth of news. Each method looks at one object; `settle` comes last."""

    def __init__(self, context: Context, tx: Transaction) -> None:
        self._stripe = context.stripe
        self._catalogue = context.catalogue
        self._grace = context.grace
        self._livemode = context.settings.livemode
        self._tx = tx
        self._owners: set[int] = set()
        self._resumes: set[int] = set()

    async def settle(self) -> None:
        """Grant, give back, end and tell what follows from all that was written."""
        for resume_id in sorted(self._resumes):
            await settle_resume(self._tx, resume_id)
        for owner_id in sorted(self._owners):
            await settle_owner(self._tx, owner_id, self._grace)

    async def session(self, session_id: str) -> Owner:
        """A checkout was completed, paid later, refused later, or it expired."""
        await self._tx.lock("stripe", session_id)
        session = await self._stripe.session(session_id)
        checkout = await self._checkout_of(session.checkout_id)
        _set_aside(session_misfit(checkout, session, self._livemode))
        if session.mode == "subscription" and session.invoice_id is not None:
            await self.invoice(session.invoice_id, began_at=session)
        elif session.subscription_id is not None:
            await self.subscription(session.subscription_id, began_at=session)
        charge = await self._locked_charge(session.charge_id) if session.charge_id else None
        owner = await owners.lock_of_checkout(self._tx, checkout.id)
        await checkouts.follow(self._tx, checkout.id, session.id, _status_of(session), session.customer_id)
        if session.customer_id is not None:
            await self._keep_customer(owner, session.customer_id)
        if checkout.resume_id is not None:
            await self._touch_resume(checkout.resume_id)
            payment = await payments.of_checkout(self._tx, checkout)
            facts = _facts_of_session(session) | (_facts_of_charge(charge) if charge else {})
            await self._write_facts(owner, payment, **facts)
        return owner

    async def subscription(self, subscription_id: str, began_at: StripeSession | None = None) -> Owner:
        """A subscription began, renewed, changed plan, fell behind, was scheduled to end, or ended."""
        await self._tx.lock("stripe", subscription_id)
        told = await self._stripe.subscription(subscription_id)
        checkout = await checkouts.get(self._tx, told.checkout_id) if told.checkout_id else None
        known = await subscriptions.get(self._tx, told.id)
        if known is None and checkout is not None:
            await self._check_beginning(told, checkout, began_at)
        owner = await self._owner_of(told, checkout)
        contract_status(told.status)
        plans = plans_of(self._catalogue.plans(), known, checkout)
        prices = prices_of(plans, self._catalogue.plans(), checkout)
        _set_aside(subscription_misfit(told, prices, self._livemode))
        plan = plans.get(told.price_id) or (known.subscription_type if known else None)
        if plan is None:
            raise Quarantined(f"the price {told.price_id} is none of ours")
        await subscriptions.keep(self._tx, told, owner.id, checkout.id if checkout else None, plan)
        await self._keep_customer(owner, told.customer_id)
        self._owners.add(owner.id)
        return owner

    async def invoice(self, invoice_id: str, began_at: StripeSession | None = None) -> Owner:
        """An invoice of a subscription was paid, could not be collected, or was given up.

        An invoice of 0 is no payment, unless the subscription was bought with it.
        """
        await self._tx.lock("stripe", invoice_id)
        invoice = await self._stripe.invoice(invoice_id)
        if invoice.subscription_id is None:
            raise NotOurs("the invoice bills no subscription")
        owner = await self.subscription(invoice.subscription_id, began_at)
        subscription = await subscriptions.get(self._tx, invoice.subscription_id)
        assert subscription is not None, "it was looked at just now"
        checkout = await checkouts.get(self._tx, subscription.checkout_id) if subscription.checkout_id else None
        plans = plans_of(self._catalogue.plans(), subscription, checkout)
        prices = prices_of(plans, self._catalogue.plans(), checkout)
        _set_aside(invoice_misfit(invoice, prices, self._livemode))
        is_payment = (
            invoice.amount > 0 or invoice.begins_subscription or await payments.has_invoice(self._tx, invoice_id)
        )
        if invoice.status == "draft" or not is_payment:
            return owner
        plan = plans.get(invoice.price_id or "") or subscription.subscription_type
        payment = await payments.of_invoice(self._tx, invoice, subscription, plan)
        await self._write_facts(
            owner,
            payment,
            outcome=invoice_outcome(invoice),
            amount=invoice.amount,
            stripe_payment_intent_id=invoice.payment_intent_id or payment.stripe_payment_intent_id,
            receipt_url=invoice.hosted_invoice_url,
        )
        return owner

    async def charge(self, charge_id: str) -> Owner:
        """A payment was refunded, wholly or in part."""
        payment = await self._payment_of(await self._stripe.charge(charge_id))
        charge = await self._locked_charge(charge_id)
        return await self._write(payment, _facts_of_charge(charge))

    async def refund(self, refund_id: str) -> Owner:
        """A refund went through later, or failed after all: the charge has the sum.

        Of one that we ordered and that failed, nobody but us knows that the money is still owed.
        """
        refund = await self._stripe.refund(refund_id)
        if refund.charge_id is None:
            raise NotOurs("the refund gives back no charge")
        owner = await self.charge(refund.charge_id)
        payment = await payments.of_intent(self._tx, refund.payment_intent_id)
        if refund.has_failed and payment is not None and payment.status == "succeeded" and payment.refund_reason:
            await stripe_calls.refund_failed(self._tx, refund, payment.refund_reason)
        return owner

    async def dispute(self, dispute_id: str) -> Owner:
        """A cardholder disputes a payment, or that came to an end. All disputes of its charge decide together."""
        dispute = await self._stripe.dispute(dispute_id)
        await self._tx.lock("stripe", f"disputes of {dispute.charge_id}")
        statuses = await self._stripe.dispute_statuses(dispute.charge_id)
        payment = await self._payment_of(await self._stripe.charge(dispute.charge_id))
        return await self._write(payment, {"dispute_status": decisive_dispute(statuses)})

    async def _checkout_of(self, checkout_id: UUID | None) -> Checkout:
        checkout = await checkouts.get(self._tx, checkout_id) if checkout_id else None
        if checkout is None:
            raise NotOurs("no checkout of ours began it")
        return checkout

    async def _owner_of(self, told: StripeSubscription, checkout: Checkout | None) -> Owner:
        """Whose a subscription is, locked: as we know it, else by its checkout, else by Stripe's customer."""
        if await subscriptions.get(self._tx, told.id) is not None:
            return await owners.lock_of_subscription(self._tx, told.id)
        if checkout is not None:
            return await owners.lock_of_checkout(self._tx, checkout.id)
        owner = await owners.lock_of_customer(self._tx, told.customer_id)
        if owner is None:
            raise NotOurs("no checkout and no customer of ours")
        return owner

    async def _check_beginning(
        self, told: StripeSubscription, checkout: Checkout, session: StripeSession | None
    ) -> None:
        """A subscription in the name of a checkout is the one that its session began, as it was asked for."""
        if session is None:
            session_id = await self._stripe.session_of_subscription(told.id)
            if session_id is None and datetime.now(UTC) - told.created < _BEGINNING:
                raise ServiceUnavailable
            session = await self._stripe.session(session_id) if session_id is not None else None
        _set_aside(
            session_misfit(checkout, session, self._livemode) if session else f"{checkout.id} did not begin {told.id}"
        )

    async def _payment_of(self, charge: StripeCharge) -> Payment:
        """The payment that a charge paid. If we have not heard of that yet, Stripe is asked what it was for."""
        payment = await payments.of_intent(self._tx, charge.payment_intent_id)
        if payment is None and charge.payment_intent_id is not None:
            checkout = await checkouts.get(self._tx, charge.checkout_id) if charge.checkout_id else None
            if checkout is not None and checkout.stripe_session_id is not None:
                await self.session(checkout.stripe_session_id)
            elif (invoice_id := await self._stripe.invoice_of_intent(charge.payment_intent_id)) is not None:
                await self._tx.lock("stripe", invoice_id)
                await self._tx.lock("stripe", charge.id)  # before the owner, whom `invoice` locks
                await self.invoice(invoice_id)
            payment = await payments.of_intent(self._tx, charge.payment_intent_id)
        if payment is None:
            raise NotOurs("nothing of ours was paid with it")
        return payment

    async def _locked_charge(self, charge_id: str) -> StripeCharge:
        await self._tx.lock("stripe", charge_id)
        return await self._stripe.charge(charge_id)

    async def _write(self, found: Payment, facts: dict[str, object]) -> Owner:
        """Store what a charge or a dispute says of a payment."""
        owner = await owners.lock_of_payment(self._tx, found.id)
        if found.resume_id is not None:
            await self._touch_resume(found.resume_id)
        else:
            self._owners.add(owner.id)
        payment = await payments.get(self._tx, found.id)
        if payment.stripe_invoice_id is not None:
            facts = {name: fact for name, fact in facts.items() if name != "receipt_url"}  # the invoice has its own
        await self._write_facts(owner, payment, **facts)
        return owner

    async def _write_facts(self, owner: Owner, payment: Payment, **facts: object) -> None:
        """Store what is told of a payment; once its owner's account is erased, no address that shows whose it was."""
        if not owner.is_known:
            facts.pop("receipt_url", None)
        await payments.write_facts(self._tx, payment, **facts)

    async def _keep_customer(self, owner: Owner, customer_id: str) -> None:
        """Remember whom Stripe made of an owner; of one whose account is erased by now, Stripe forgets it too."""
        await owners.keep_customer(self._tx, owner, customer_id)
        if not owner.is_known:
            await stripe_calls.delete_customer(self._tx, customer_id)

    async def _touch_resume(self, resume_id: int) -> None:
        await resumes.lock(self._tx, resume_id)
        self._resumes.add(resume_id)


def _set_aside(misfit: str | None) -> None:
    if misfit is not None:
        raise Quarantined(misfit)


def _status_of(session: StripeSession) -> CheckoutStatus:
    match session.status:
        case "open" | "complete" | "expired":
            return session.status
        case unknown:
            raise Quarantined(f"unknown session status {unknown!r}")


def _facts_of_session(session: StripeSession) -> dict[str, object]:
    outcome = session_outcome(session)
    facts: dict[str, object] = {"outcome": outcome, "stripe_payment_intent_id": session.payment_intent_id}
    if session.status == "complete" and session.amount_total is not None:
        facts["amount"] = session.amount_total  # a discount has made it less than the price
    return facts


def _facts_of_charge(charge: StripeCharge) -> dict[str, object]:
    return {"amount_refunded": charge.amount_refunded, "receipt_url": charge.receipt_url}
