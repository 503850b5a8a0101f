"""The actions of a buyer on the hosted checkout page."""

from dataclasses import dataclass

from cv_stripe_sandbox.actions import customers, payments, sessions, subscriptions
from cv_stripe_sandbox.cards import DECLINING, GOOD, Card
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects import checkout
from cv_stripe_sandbox.objects.customers import payment_method
from cv_stripe_sandbox.shapes import Json

DEFAULT_EMAIL = "buyer@example.com"
"""The email address of a buyer who entered none. Stripe's page requires one."""


@dataclass(frozen=True)
class Buyer:
    """What the buyer has entered on the page."""

    email: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class CompletedSession:
    """A completed session and the id of its `checkout.session.completed` event."""

    session: Json
    event: str


def pay(context: Context, session_id: str, buyer: Buyer) -> CompletedSession:
    """Pay with a card that succeeds. If the total is 0, no payment is made."""
    session = _get_open(context, session_id)
    free = session["amount_total"] == 0
    if session["mode"] == "payment":
        customer = _customer_id(context, session, buyer)
        if free:
            return _complete(context, session, buyer, customer, "no_payment_required", {"payment_intent": None})
        method = _create_method(context, session, buyer, GOOD)
        intent = _get_or_create_intent(context, session, customer)
        payments.attempt(context, intent, method)
        links = {"payment_intent": intent["id"]}
    else:
        customer = _customer_id(context, session, buyer)
        method = customers.attach_card(context, _get_customer(context, customer), GOOD)
        links = subscriptions.create(context, session, _plan(context, session), method)
    return _complete(context, session, buyer, customer, "no_payment_required" if free else "paid", links)


def decline(context: Context, session_id: str, buyer: Buyer) -> str:
    """Decline the card. The session stays open. Returns the message for the buyer."""
    session = _get_payable(context, session_id)
    method = _create_method(context, session, buyer, DECLINING)
    payments.attempt(context, _get_or_create_intent(context, session, session["customer"]), method)
    return "Your card has been declined."


def fail_authentication(context: Context, session_id: str, buyer: Buyer) -> str:
    """Fail 3-D Secure. The session stays open. Returns the message for the buyer."""
    session = _get_payable(context, session_id)
    method = _create_method(context, session, buyer, GOOD)
    payments.fail_authentication(context, _get_or_create_intent(context, session, session["customer"]), method)
    return "We are unable to authenticate your payment method. Please choose a different payment method and try again."


def pay_later(context: Context, session_id: str, buyer: Buyer) -> CompletedSession:
    """Pay with a delayed payment method: the session completes unpaid, until `settle` is called."""
    session = _get_payable(context, session_id)
    if session["mode"] != "payment":
        raise StripeError("The sandbox supports delayed payments in `payment` mode only.")
    customer = _customer_id(context, session, buyer)
    intent = _get_or_create_intent(context, session, customer)
    payments.start_delayed(context, intent, _create_method(context, session, buyer, GOOD))
    return _complete(context, session, buyer, customer, "unpaid", {"payment_intent": intent["id"]})


def settle(context: Context, session_id: str, *, arrived: bool) -> Json:
    """Let a delayed payment succeed or fail."""
    session = context.objects.get(session_id, "checkout.session")
    if session["status"] != "complete" or session["payment_status"] != "unpaid":
        raise StripeError(f"Checkout Session {session_id} does not wait for a delayed payment.")
    intent = context.objects.get(session["payment_intent"], "payment_intent")
    payments.settle_delayed(context, intent, arrived=arrived)
    if arrived:
        session = context.update(session, {"payment_status": "paid"})
    outcome = "succeeded" if arrived else "failed"
    context.emit(f"checkout.session.async_payment_{outcome}", session)
    return session


def _get_open(context: Context, session_id: str) -> Json:
    sessions.expire_due(context)
    session = context.objects.get(session_id, "checkout.session")
    if session["status"] != "open":
        raise StripeError(f"This Checkout Session is {session['status']}: it cannot be paid.")
    return session


def _get_payable(context: Context, session_id: str) -> Json:
    session = _get_open(context, session_id)
    if session["amount_total"] == 0:
        raise StripeError("The total is 0, so no card is needed.")
    return session


def _complete(
    context: Context, session: Json, buyer: Buyer, customer: str | None, payment_status: str, links: Json
) -> CompletedSession:
    changes = {
        **links,
        "customer": customer,
        "customer_details": checkout.customer_details(_email(context, session, buyer), buyer.name),
        "payment_status": payment_status,
        "status": "complete",
        "url": None,
    }
    context.update(session, changes)
    return CompletedSession(session, context.emit("checkout.session.completed", session)["id"])


def _email(context: Context, session: Json, buyer: Buyer) -> str:
    known = context.objects.find(session["customer"]) if session["customer"] else None
    return (known or {}).get("email") or session["customer_email"] or buyer.email or DEFAULT_EMAIL


def _customer_id(context: Context, session: Json, buyer: Buyer) -> str | None:
    if session["customer"] or session["customer_creation"] != "always":
        return str(session["customer"]) if session["customer"] else None
    params = {"email": _email(context, session, buyer), "name": buyer.name}
    return str(customers.create(context, params)["id"])


def _get_customer(context: Context, customer: str | None) -> Json:
    return context.objects.get(str(customer), "customer")


def _create_method(context: Context, session: Json, buyer: Buyer, card: Card) -> Json:
    method = payment_method(card, None, _email(context, session, buyer), context.now)
    return context.create(method)


def _get_or_create_intent(context: Context, session: Json, customer: str | None) -> Json:
    """Return the session's PaymentIntent, which the first attempt to pay creates and later ones reuse."""
    if session["payment_intent"]:
        intent = context.objects.get(session["payment_intent"], "payment_intent")
        return context.update(intent, {"customer": customer, "amount": session["amount_total"]})
    requested = context.objects.get_private(session["id"])["payment_intent_data"]
    intent = payments.create_intent(
        context,
        session["amount_total"],
        session["currency"],
        customer=customer,
        metadata=requested.get("metadata"),
    )
    intent["description"] = requested.get("description")
    context.objects.save(intent)
    if session["mode"] == "payment":
        context.update(session, {"payment_intent": intent["id"]})
    return intent


def _plan(context: Context, session: Json) -> subscriptions.Plan:
    private = context.objects.get_private(session["id"])
    requested = private["subscription_data"]
    return subscriptions.Plan(private["line_items"], requested.get("metadata", {}), requested.get("description"))
