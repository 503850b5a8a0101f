"""Changes of plan or quantity: prorations, credits, declined cards."""

import time
from typing import Any

import pytest
import stripe
from cv_stripe_sandbox.testing import SandboxClient


@pytest.fixture
def plans(sandbox: SandboxClient) -> dict[str, stripe.Price]:
    product = sandbox.client.v1.products.create({"name": "Premium"})
    return {
        interval: sandbox.client.v1.prices.create(
            {
                "currency": "eur",
                "unit_amount": amount,
                "product": product.id,
                "recurring": {"interval": interval},
                "lookup_key": f"cv_{interval}ly",
            }
        )
        for interval, amount in (("month", 999), ("year", 9999))
    }


def subscribed(sandbox: SandboxClient, plans: dict[str, stripe.Price], interval: str = "month") -> stripe.Subscription:
    return sandbox.subscribe(line_items=[{"price": plans[interval].id, "quantity": 1}])


def item_of(subscription: stripe.Subscription) -> Any:
    return subscription.items.data[0]


def test_an_upgrade_to_another_interval_is_invoiced_now(sandbox: SandboxClient, plans: dict[str, stripe.Price]) -> None:
    subscription = subscribed(sandbox, plans)

    upgraded = sandbox.client.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": item_of(subscription).id, "price": plans["year"].id}],
            "proration_behavior": "always_invoice",
        },
    )

    item = item_of(upgraded)
    assert item.price.id == plans["year"].id
    assert item.current_period_end > time.time() + 360 * 86400
    invoice = sandbox.client.v1.invoices.list({"limit": 1}).data[0]
    lines: list[Any] = invoice.lines.data
    assert (invoice.billing_reason, invoice.status) == ("subscription_update", "paid")
    assert [line.parent.subscription_item_details.proration for line in lines] == [True, False]
    assert lines[0].amount in {-999, -998}
    assert invoice.amount_paid == 9999 + lines[0].amount


def test_a_downgrade_credits_the_next_invoices(sandbox: SandboxClient, plans: dict[str, stripe.Price]) -> None:
    subscription = subscribed(sandbox, plans, "year")

    sandbox.client.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": item_of(subscription).id, "price": plans["month"].id}],
            "proration_behavior": "always_invoice",
        },
    )

    customer = sandbox.client.v1.customers.retrieve(str(subscription.customer))
    assert customer.balance is not None
    assert -9000 <= customer.balance <= -8990
    invoice = sandbox.client.v1.invoices.list({"limit": 1}).data[0]
    assert (invoice.amount_due, invoice.status) == (0, "paid")
    sandbox.control("renew", subscription=subscription.id)
    assert sandbox.client.v1.customers.retrieve(customer.id).balance == customer.balance + 999


def test_a_declined_upgrade_with_error_if_incomplete_is_an_error(
    sandbox: SandboxClient, plans: dict[str, stripe.Price]
) -> None:
    subscription = subscribed(sandbox, plans)
    sandbox.control("card", customer=subscription.customer, card="0341")

    with pytest.raises(stripe.CardError):
        sandbox.client.v1.subscriptions.update(
            subscription.id,
            {
                "items": [{"id": item_of(subscription).id, "price": plans["year"].id}],
                "proration_behavior": "always_invoice",
                "payment_behavior": "error_if_incomplete",
            },
        )

    assert item_of(sandbox.client.v1.subscriptions.retrieve(subscription.id)).price.id == plans["month"].id
    assert len(sandbox.client.v1.invoices.list().data) == 1


def test_prorations_wait_for_the_next_invoice(sandbox: SandboxClient) -> None:
    subscription = sandbox.subscribe()
    sandbox.client.v1.subscriptions.update(
        subscription.id, {"items": [{"id": item_of(subscription).id, "quantity": 2}]}
    )
    assert len(sandbox.client.v1.invoices.list().data) == 1

    sandbox.control("renew", subscription=subscription.id)

    lines = sandbox.client.v1.invoices.list({"limit": 1}).data[0].lines.data
    assert lines[0].amount == 1998
    assert sum(line.amount for line in lines[1:]) in {998, 999, 1000}
    assert max(line.period.end for line in lines[1:]) <= time.time()
