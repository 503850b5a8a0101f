"""One-time payments: from the session to the webhook, with declines and expirations."""

import time

import pytest
import stripe
from cv_stripe_sandbox.shapes import API_VERSION
from cv_stripe_sandbox.testing import Receiver, SandboxClient


def test_the_page_of_an_open_session_says_that_no_money_moves(sandbox: SandboxClient) -> None:
    session = sandbox.checkout()

    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert session.amount_total == 499
    assert session.currency == "eur"
    page = sandbox.browser.get(str(session.url))
    assert page.status_code == 200
    assert "No money moves" in page.text
    assert "€4.99" in page.text


def test_paying_redirects_after_the_webhook_has_answered(sandbox: SandboxClient, receiver: Receiver) -> None:
    session = sandbox.checkout()

    answer = sandbox.pay(session)

    assert answer.status_code == 303
    assert answer.headers["location"] == f"http://localhost:3000/thanks?session={session.id}"
    completed = receiver.of_type("checkout.session.completed")[0].data.object
    assert completed.id == session.id
    assert completed.payment_status == "paid"
    assert completed.metadata.payment_id == "attempt-1"


def test_a_paid_session_links_the_payment_and_the_customer(sandbox: SandboxClient) -> None:
    session = sandbox.checkout(customer_email="jane@example.com")
    sandbox.pay(session)

    paid = sandbox.client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent.latest_charge", "customer", "line_items"]}
    )

    intent, customer = paid.payment_intent, paid.customer
    assert isinstance(intent, stripe.PaymentIntent)
    assert isinstance(customer, stripe.Customer)
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert (intent.status, intent.amount_received) == ("succeeded", 499)
    assert intent.metadata.to_dict() == charge.metadata.to_dict() == {"payment_id": "attempt-1"}
    assert customer.email == "jane@example.com"
    assert paid.line_items is not None
    assert [line.description for line in paid.line_items.data] == ["One CV"]


def test_events_have_a_plausible_order_and_the_pinned_version(sandbox: SandboxClient) -> None:
    sandbox.pay(sandbox.checkout())

    events = sandbox.client.v1.events.list().data[::-1]

    assert [event.type for event in events] == [
        "product.created",
        "price.created",
        "customer.created",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    assert {event.api_version for event in events} == {API_VERSION} == {stripe.api_version}


@pytest.mark.parametrize(
    ("button", "code"),
    [("decline", "card_declined"), ("fail-authentication", "payment_intent_authentication_failure")],
)
def test_a_failed_attempt_leaves_the_session_open(
    sandbox: SandboxClient, receiver: Receiver, button: str, code: str
) -> None:
    session = sandbox.checkout()

    page = sandbox.browser.post(f"{session.url}/{button}")

    assert page.status_code == 402
    failed = receiver.wait_for("payment_intent.payment_failed").data.object
    assert failed.last_payment_error.code == code
    open_still = sandbox.client.v1.checkout.sessions.retrieve(session.id)
    assert (open_still.status, open_still.payment_intent) == ("open", failed.id)
    sandbox.pay(session)
    assert sandbox.client.v1.checkout.sessions.retrieve(session.id).payment_intent == failed.id


def test_a_delayed_payment_completes_unpaid(sandbox: SandboxClient, receiver: Receiver) -> None:
    session = sandbox.checkout()

    answer = sandbox.browser.post(f"{session.url}/pay-later")

    assert answer.status_code == 303
    completed = receiver.of_type("checkout.session.completed")[0].data.object
    assert (completed.status, completed.payment_status) == ("complete", "unpaid")


def test_cancel_redirects_and_keeps_the_session_open(sandbox: SandboxClient) -> None:
    session = sandbox.checkout()

    answer = sandbox.browser.post(f"{session.url}/cancel")

    assert (answer.status_code, answer.headers["location"]) == (303, "http://localhost:3000/back")
    assert sandbox.client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_a_session_can_be_paid_only_once(sandbox: SandboxClient, receiver: Receiver) -> None:
    session = sandbox.checkout()
    sandbox.pay(session)

    again = sandbox.pay(session)

    assert again.status_code == 400
    assert len(receiver.of_type("checkout.session.completed")) == 1


def test_an_expired_session_cannot_be_paid(sandbox: SandboxClient, receiver: Receiver) -> None:
    session = sandbox.checkout()

    expired = sandbox.client.v1.checkout.sessions.expire(session.id)

    assert (expired.status, expired.url) == ("expired", None)
    assert receiver.wait_for("checkout.session.expired").data.object.id == session.id
    assert sandbox.pay(session).status_code == 400
    with pytest.raises(stripe.InvalidRequestError, match="Only Checkout Sessions"):
        sandbox.client.v1.checkout.sessions.expire(session.id)


def test_a_form_of_another_site_is_rejected(sandbox: SandboxClient) -> None:
    session = sandbox.checkout()

    answer = sandbox.browser.post(f"{session.url}/pay", headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    assert sandbox.client.v1.checkout.sessions.retrieve(session.id).status == "open"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"payment_method_types": ["card"]}, "payment_method_types"),
        ({"mode": "monthly"}, "mode"),
        ({"success_url": "/thanks"}, "success_url"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"expires_at": 1}, "expires_at"),
        ({"expires_at": int(time.time()) + 90_000}, "expires_at"),
        ({"client_reference_id": "x" * 201}, "client_reference_id"),
        ({"metadata": {"x" * 41: "y"}}, "metadata"),
        ({"metadata": {"x": "y" * 501}}, "metadata[x]"),
        ({"line_items": [{"price": "price_unknown", "quantity": 1}]}, "line_items[0][price]"),
        ({"line_items": [{"quantity": 1}]}, "line_items[0]"),
        ({"subscription_data": {"metadata": {"a": "b"}}}, "subscription_data"),
        ({"automatic_tax": {"enabled": True}}, "automatic_tax"),
        ({"payment_intent_data": {"capture_method": "manual"}}, "payment_intent_data[capture_method]"),
        ({"customer": "cus_unknown", "customer_creation": None}, "customer"),
    ],
)
def test_an_invalid_parameter_is_named(sandbox: SandboxClient, changes: dict[str, object], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        sandbox.checkout(**changes)

    assert raised.value.param == param
    assert raised.value.http_status == 400
    assert raised.value.request_id


def test_customer_and_customer_email_are_mutually_exclusive(sandbox: SandboxClient) -> None:
    customer = sandbox.client.v1.customers.create({"email": "jane@example.com"})

    with pytest.raises(stripe.InvalidRequestError, match="customer, customer_email"):
        sandbox.checkout(customer=customer.id, customer_email="jane@example.com", customer_creation=None)
