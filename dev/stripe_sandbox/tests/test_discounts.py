"""Coupons on sessions, promotion codes, subscriptions and customers."""

from typing import Any

import pytest
import stripe
from cv_stripe_sandbox.testing import Receiver, SandboxClient, payment_params, subscription_params


def coupon(sandbox: SandboxClient, **changes: Any) -> str:
    params: Any = {"percent_off": 50, "duration": "forever", **changes}
    requested: Any = {name: value for name, value in params.items() if value is not None}
    return sandbox.client.v1.coupons.create(requested).id


def code(sandbox: SandboxClient, coupon_id: str, text: str) -> str:
    return sandbox.client.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon_id}, "code": text}
    ).id


def invoices(sandbox: SandboxClient, subscription: stripe.Subscription) -> list[stripe.Invoice]:
    return sandbox.client.v1.invoices.list({"subscription": subscription.id}).data


def test_a_coupon_reduces_the_total(sandbox: SandboxClient) -> None:
    session = sandbox.checkout(discounts=[{"coupon": coupon(sandbox)}])
    sandbox.pay(session)

    paid = sandbox.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["line_items", "payment_intent"]})

    assert (paid.amount_subtotal, paid.amount_total, paid.payment_status) == (499, 249, "paid")
    assert paid.total_details is not None
    assert paid.total_details.amount_discount == 250
    assert paid.line_items is not None
    line = paid.line_items.data[0]
    assert (line.amount_subtotal, line.amount_discount, line.amount_total) == (499, 250, 249)
    assert isinstance(paid.payment_intent, stripe.PaymentIntent)
    assert paid.payment_intent.amount_received == 249


def test_a_promotion_code_can_reduce_the_total_to_zero(sandbox: SandboxClient, receiver: Receiver) -> None:
    promotion_code = code(sandbox, coupon(sandbox, percent_off=100), "GIFT")
    session = sandbox.checkout(allow_promotion_codes=True)

    page = sandbox.browser.post(f"{session.url}/promotion-code", data={"code": "gift"})
    assert page.status_code == 200
    assert "€0.00" in page.text
    assert sandbox.browser.post(f"{session.url}/decline").status_code == 400
    sandbox.pay(session)

    completed = receiver.wait_for("checkout.session.completed").data.object
    assert (completed.amount_subtotal, completed.amount_total) == (499, 0)
    assert completed.payment_status == "no_payment_required"
    assert completed.payment_intent is None
    assert completed.discounts[0].promotion_code == promotion_code


def test_a_code_after_a_decline_changes_the_charge(sandbox: SandboxClient) -> None:
    code(sandbox, coupon(sandbox), "HALF")
    session = sandbox.checkout(allow_promotion_codes=True)
    sandbox.browser.post(f"{session.url}/decline")
    sandbox.browser.post(f"{session.url}/promotion-code", data={"code": "HALF"})
    sandbox.pay(session)

    charges = sandbox.client.v1.charges.list().data

    assert [(charge.amount, charge.paid) for charge in charges] == [(249, True), (499, False)]


def test_an_invalid_code_is_rejected(sandbox: SandboxClient) -> None:
    code(sandbox, coupon(sandbox, amount_off=470, currency="eur", percent_off=None), "SMALL")
    open_to_codes, closed = sandbox.checkout(allow_promotion_codes=True), sandbox.checkout()

    for session, text in ((open_to_codes, "UNKNOWN"), (open_to_codes, "SMALL"), (closed, "SMALL")):
        assert sandbox.browser.post(f"{session.url}/promotion-code", data={"code": text}).status_code == 402
        assert sandbox.client.v1.checkout.sessions.retrieve(session.id).amount_total == 499


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"percent_off": 101}, "percent_off"),
        ({"amount_off": 100}, "currency"),
        ({"percent_off": 50, "amount_off": 100}, "percent_off"),
        ({"percent_off": 50, "duration": "repeating"}, "duration_in_months"),
        ({"percent_off": 50, "redeem_by": 1}, "redeem_by"),
    ],
)
def test_an_invalid_coupon_is_rejected(sandbox: SandboxClient, params: Any, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        sandbox.client.v1.coupons.create(params)

    assert raised.value.param == param


def test_codes_and_discounts_are_mutually_exclusive(sandbox: SandboxClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="allow_promotion_codes, discounts"):
        sandbox.client.v1.checkout.sessions.create(
            payment_params(allow_promotion_codes=True, discounts=[{"coupon": coupon(sandbox)}])
        )


def test_a_subscription_keeps_a_lasting_discount(sandbox: SandboxClient) -> None:
    subscription = sandbox.subscribe(discounts=[{"coupon": coupon(sandbox)}])
    sandbox.control("renew", subscription=subscription.id)

    for invoice in invoices(sandbox, subscription):
        assert (invoice.subtotal, invoice.total, invoice.amount_paid) == (999, 499, 499)
        line = invoice.lines.data[0]
        assert (line.amount, line.subtotal) == (999, 999)
        assert line.discount_amounts is not None
        assert [each.amount for each in line.discount_amounts] == [500]
        assert invoice.discounts == subscription.discounts


@pytest.mark.parametrize("mode", ["subscription", "customer"])
def test_a_single_use_discount_ends_with_the_next_invoice(sandbox: SandboxClient, mode: str) -> None:
    free = coupon(sandbox, percent_off=100, duration="once")
    if mode == "subscription":
        subscription = sandbox.subscribe(discounts=[{"coupon": free}])
        session = sandbox.client.v1.checkout.sessions.list({"subscription": subscription.id}).data[0]
        assert (session.payment_status, session.amount_subtotal, session.amount_total) == (
            "no_payment_required",
            999,
            0,
        )
    else:
        subscription = sandbox.subscribe()
        sandbox.control("discount", customer=subscription.customer, coupon=free)
        sandbox.control("renew", subscription=subscription.id)
    sandbox.control("renew", subscription=subscription.id)

    amounts = [invoice.amount_paid for invoice in invoices(sandbox, subscription)]

    assert amounts == ([999, 0] if mode == "subscription" else [999, 0, 999])
    assert sandbox.client.v1.customers.retrieve(str(subscription.customer)).discount is None


def test_a_customer_discount_applies_to_a_new_subscription(sandbox: SandboxClient) -> None:
    customer = sandbox.client.v1.customers.create({"email": "jane@example.com"})
    sandbox.control("discount", customer=customer.id, coupon=coupon(sandbox))
    session = sandbox.client.v1.checkout.sessions.create(subscription_params(customer=customer.id))
    sandbox.pay(session)

    paid = sandbox.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["invoice"]})

    assert isinstance(paid.invoice, stripe.Invoice)
    assert (paid.amount_subtotal, paid.amount_total, paid.invoice.amount_paid) == (999, 499, 499)


def test_prorations_include_the_discount(sandbox: SandboxClient) -> None:
    subscription = sandbox.subscribe()
    sandbox.client.v1.subscriptions.update(subscription.id, {"discounts": [{"coupon": coupon(sandbox)}]})
    item = subscription.items.data[0]
    yearly = sandbox.client.v1.prices.create(
        {"currency": "eur", "unit_amount": 9999, "product": str(item.price.product), "recurring": {"interval": "year"}}
    )
    sandbox.client.v1.subscriptions.update(subscription.id, {"items": [{"id": item.id, "price": yearly.id}]})

    switched = invoices(sandbox, subscription)[0]

    assert sorted(line.amount for line in switched.lines.data) == [-499, 9999]
    assert (switched.subtotal, switched.total) == (9500, 4500)


def test_a_subscription_session_accepts_codes(sandbox: SandboxClient) -> None:
    code(sandbox, coupon(sandbox, amount_off=100, currency="eur", percent_off=None), "EURO")
    session = sandbox.client.v1.checkout.sessions.create(subscription_params(allow_promotion_codes=True))
    sandbox.browser.post(f"{session.url}/promotion-code", data={"code": "EURO"})
    sandbox.pay(session)

    paid = sandbox.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["invoice"]})

    assert isinstance(paid.invoice, stripe.Invoice)
    assert (paid.amount_total, paid.invoice.amount_paid) == (899, 899)
