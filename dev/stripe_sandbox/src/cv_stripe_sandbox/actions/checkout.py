"""What a buyer can do on the hosted checkout page."""

from dataclasses import dataclass

from cv_stripe_sandbox.actions import customers, payments, sessions, subscriptions
from cv_stripe_sandbox.cards import DECLINING, GOOD, Card
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects import checkout
from cv_stripe_sandbox.objects.customers import payment_method
from cv_stripe_sandbox.shapes import Json

ANONYMOUS = "buyer@example.com"
"""The address of a buyer who gave none; Stripe's page would insist on one."""


@dataclass(frozen=True)
class Buyer:
    """Who stands before the page, and what they typed."""

    email: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Completed:
    """A session that is done, and the event that says so."""

    session: Json
    event: str


def pay(context: Context, session_id: str, buyer: Buyer) -> Completed:
    """The buyer pays with a card that works. Where nothing is to be paid, no payment is made."""
    session = _open(context, session_id)
    free = session["amount_total"] == 0
    if session["mode"] == "payment":
        customer = _customer(context, session, buyer)
        if free:
            return _complete(context, session, buyer, customer, "no_payment_required", {"payment_intent": None})
        method = _method(context, session, buyer, GOOD)
        intent = _intent(context, session, customer)
        payments.attempt(context, intent, method)
        links = {"payment_intent": intent["id"]}
    else:
        customer = _customer(context, session, buyer)
        method = customers.attach_card(context, _known(context, customer), GOOD)
        links = subscriptions.begin(context, session, _plan(context, session), method)
    return _complete(context, session, buyer, customer, "no_payment_required" if free else "paid", links)


def decline(context: Context, session_id: str, buyer: Buyer) -> str:
    """The bank says no: the session stays open; returns what the page tells the buyer."""
    session = _to_be_paid(context, session_id)
    method = _method(context, session, buyer, DECLINING)
    payments.attempt(context, _intent(context, session, session["customer"]), method)
    return "Your card has been declined."


def fail_authentication(context: Context, session_id: str, buyer: Buyer) -> str:
    """3-D Secure fails: the session stays open; returns what the page tells the buyer."""
    session = _to_be_paid(context, session_id)
    method = _method(context, session, buyer, GOOD)
    payments.fail_authentication(context, _intent(context, session, session["customer"]), method)
    return "We are unable to authenticate your payment method. Please choose a different payment method and try again."


def pay_later(context: Context, session_id: str, buyer: Buyer) -> Completed:
    """A delayed payment method: the session completes unpaid, `settle` tells how it ends."""
    session = _to_be_paid(context, session_id)
    if session["mode"] != "payment":
        raise StripeError("The stand-in delays one-time payments only.")
    customer = _customer(context, session, buyer)
    intent = _intent(context, session, customer)
    payments.promise(context, intent, _method(context, session, buyer, GOOD))
    return _complete(context, session, buyer, customer, "unpaid", {"payment_intent": intent["id"]})


def settle(context: Context, session_id: str, *, arrived: bool) -> Json:
    """The money of a delayed payment arrived, or never will."""
    session = context.objects.get(session_id, "checkout.session")
    if session["status"] != "complete" or session["payment_status"] != "unpaid":
        raise StripeError(f"Checkout Session {session_id} does not wait for a delayed payment.")
    intent = context.objects.get(session["payment_intent"], "payment_intent")
    payments.settle(context, intent, arrived=arrived)
    if arrived:
        session = context.update(session, {"payment_status": "paid"})
    outcome = "succeeded" if arrived else "failed"
    context.emit(f"checkout.session.async_payment_{outcome}", session)
    return session


def _open(context: Context, session_id: str) -> Json:
    sessions.expire_due(context)
    session = context.objects.get(session_id, "checkout.session")
    if session["status"] != "open":
        raise StripeError(f"This Checkout Session is {session['status']}: it cannot be paid.")
    return session


def _to_be_paid(context: Context, session_id: str) -> Json:
    session = _open(context, session_id)
    if session["amount_total"] == 0:
        raise StripeError("Nothing is to be paid here: no card is asked for.")
    return session


def _complete(
    context: Context, session: Json, buyer: Buyer, customer: str | None, payment_status: str, links: Json
) -> Completed:
    changes = {
        **links,
        "customer": customer,
        "customer_details": checkout.customer_details(_email(context, session, buyer), buyer.name),
        "payment_status": payment_status,
        "status": "complete",
        "url": None,
    }
    context.update(session, changes)
    return Completed(session, context.emit("checkout.session.completed", session)["id"])


def _email(context: Context, session: Json, buyer: Buyer) -> str:
    known = context.objects.find(session["customer"]) if session["customer"] else None
    return (known or {}).get("email") or session["customer_email"] or buyer.email or ANONYMOUS


def _customer(context: Context, session: Json, buyer: Buyer) -> str | None:
    if session["customer"] or session["customer_creation"] != "always":
        return str(session["customer"]) if session["customer"] else None
    params = {"email": _email(context, session, buyer), "name": buyer.name}
    return str(customers.create(context, params)["id"])


def _known(context: Context, customer: str | None) -> Json:
    return context.objects.get(str(customer), "customer")


def _method(context: Context, session: Json, buyer: Buyer, card: Card) -> Json:
    method = payment_method(card, None, _email(context, session, buyer), context.now)
    return context.create(method)


def _intent(context: Context, session: Json, customer: str | None) -> Json:
    """The session's PaymentIntent: made at the first attempt to pay, used again by the next."""
    if session["payment_intent"]:
        intent = context.objects.get(session["payment_intent"], "payment_intent")
        return context.update(intent, {"customer": customer, "amount": session["amount_total"]})
    wanted = context.objects.private(session["id"])["payment_intent_data"]
    intent = payments.start(
        context,
        session["amount_total"],
        session["currency"],
        customer=customer,
        metadata=wanted.get("metadata"),
    )
    intent["description"] = wanted.get("description")
    context.objects.save(intent)
    if session["mode"] == "payment":
        context.update(session, {"payment_intent": intent["id"]})
    return intent


def _plan(context: Context, session: Json) -> subscriptions.Plan:
    remembered = context.objects.private(session["id"])
    wanted = remembered["subscription_data"]
    return subscriptions.Plan(remembered["line_items"], wanted.get("metadata", {}), wanted.get("description"))
