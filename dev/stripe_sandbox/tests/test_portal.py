"""The billing portal: configurations, flows, and the actions of a customer."""

from typing import Any

import httpx
import pytest
import stripe
from cv_stripe_sandbox.testing import Receiver, SandboxClient


class Portal:
    """A customer with a subscription and a portal session."""

    def __init__(self, sandbox: SandboxClient) -> None:
        self.sandbox = sandbox
        product = sandbox.client.v1.products.create({"name": "Premium"})
        self.prices = [
            sandbox.client.v1.prices.create(
                {"currency": "eur", "unit_amount": amount, "product": product.id, "recurring": {"interval": interval}}
            )
            for interval, amount in (("month", 999), ("year", 9999))
        ]
        self.configuration = sandbox.client.v1.billing_portal.configurations.create(
            {
                "features": {
                    "invoice_history": {"enabled": True},
                    "payment_method_update": {"enabled": True},
                    "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
                    "subscription_update": {
                        "enabled": True,
                        "default_allowed_updates": ["price"],
                        "proration_behavior": "always_invoice",
                        "products": [{"product": product.id, "prices": [price.id for price in self.prices]}],
                    },
                },
            }
        )
        self.subscription = sandbox.subscribe(line_items=[{"price": self.prices[0].id, "quantity": 1}])
        self.customer = str(self.subscription.customer)

    def open(self, flow: Any = None) -> stripe.billing_portal.Session:
        params: Any = {
            "customer": self.customer,
            "configuration": self.configuration.id,
            "return_url": "http://localhost:3000/account",
        }
        return self.sandbox.client.v1.billing_portal.sessions.create(
            {**params, **({"flow_data": flow} if flow else {})}
        )

    def press(self, session: stripe.billing_portal.Session, button: str, **fields: str) -> httpx.Response:
        fields = {"subscription": self.subscription.id, **fields}
        return self.sandbox.browser.post(f"{session.url}/{button}", data=fields)

    def current(self) -> Any:
        return self.sandbox.client.v1.subscriptions.retrieve(self.subscription.id)


@pytest.fixture
def portal(sandbox: SandboxClient) -> Portal:
    return Portal(sandbox)


def test_the_home_page_shows_the_subscription_and_its_invoices(portal: Portal) -> None:
    page = portal.sandbox.browser.get(portal.open().url)

    assert page.status_code == 200
    for text in ("Premium", "€9.99 per month", "Cancel subscription", "•••• 4242", "http://localhost:3000/account"):
        assert text in page.text


def test_cancel_sets_cancel_at_and_undoing_it_clears_it(portal: Portal, receiver: Receiver) -> None:
    session = portal.open()

    portal.press(session, "cancel")
    canceled = portal.current()
    assert canceled.cancel_at == canceled.items.data[0].current_period_end
    assert (canceled.cancel_at_period_end, canceled.status) == (False, "active")
    event = receiver.wait_for("customer.subscription.updated")
    assert event.data.previous_attributes is not None
    assert event.data.previous_attributes["cancel_at"] is None
    portal.press(session, "keep")

    assert portal.current().cancel_at is None


def test_a_customer_can_switch_the_plan(portal: Portal) -> None:
    answer = portal.press(portal.open(), "switch", price=portal.prices[1].id)

    assert "has been changed" in portal.sandbox.browser.get(answer.headers["location"]).text
    assert portal.current().items.data[0].price.id == portal.prices[1].id


def test_a_declined_switch_changes_nothing(portal: Portal) -> None:
    session = portal.open()
    portal.press(session, "card", card="0341")

    answer = portal.press(session, "switch", price=portal.prices[1].id)

    assert answer.status_code == 402
    assert "declined" in answer.text
    assert portal.current().items.data[0].price.id == portal.prices[0].id


def test_a_new_card_pays_an_open_invoice(portal: Portal) -> None:
    portal.sandbox.control("card", customer=portal.customer, card="0341")
    portal.sandbox.control("renew", subscription=portal.subscription.id)
    session = portal.open({"type": "payment_method_update"})

    portal.press(session, "card", card="4242")
    portal.press(session, "pay", invoice=portal.current().latest_invoice)

    assert portal.current().status == "active"


def test_a_deep_link_confirms_an_update_and_returns(portal: Portal) -> None:
    item = portal.current().items.data[0]
    session = portal.open(
        {
            "type": "subscription_update_confirm",
            "subscription_update_confirm": {
                "subscription": portal.subscription.id,
                "items": [{"id": item.id, "price": portal.prices[1].id, "quantity": 1}],
            },
            "after_completion": {"type": "redirect", "redirect": {"return_url": "http://localhost:3000/done"}},
        }
    )

    page = portal.sandbox.browser.get(session.url)
    assert "€99.99 per year" in page.text
    answer = portal.press(session, "switch", price=portal.prices[1].id, deep="1")

    assert (answer.status_code, answer.headers["location"]) == (303, "http://localhost:3000/done")
    assert portal.current().items.data[0].price.id == portal.prices[1].id


@pytest.mark.parametrize("kind", ["subscription_cancel", "subscription_update"])
def test_deep_links_to_one_step_have_a_page(portal: Portal, kind: str) -> None:
    session = portal.open({"type": kind, kind: {"subscription": portal.subscription.id}})

    assert portal.sandbox.browser.get(session.url).status_code == 200


def test_a_session_requires_a_configuration(sandbox: SandboxClient) -> None:
    customer = sandbox.client.v1.customers.create({})

    with pytest.raises(stripe.InvalidRequestError, match="default configuration has not been created"):
        sandbox.client.v1.billing_portal.sessions.create({"customer": customer.id})


def test_a_flow_requires_its_feature_and_the_right_customer(portal: Portal) -> None:
    stranger = portal.sandbox.client.v1.customers.create({})
    flow: Any = {"type": "subscription_cancel", "subscription_cancel": {"subscription": portal.subscription.id}}

    with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
        portal.sandbox.client.v1.billing_portal.sessions.create(
            {"customer": stranger.id, "configuration": portal.configuration.id, "flow_data": flow}
        )
    portal.sandbox.client.v1.billing_portal.configurations.update(
        portal.configuration.id, {"features": {"subscription_cancel": {"enabled": False}}}
    )
    with pytest.raises(stripe.InvalidRequestError, match="disabled"):
        portal.open(flow)
    assert portal.press(portal.open(), "cancel").status_code == 400


def test_a_customer_cannot_change_the_subscription_of_another(portal: Portal) -> None:
    stranger = portal.sandbox.client.v1.customers.create({})
    session = portal.sandbox.client.v1.billing_portal.sessions.create(
        {"customer": stranger.id, "configuration": portal.configuration.id}
    )

    assert portal.press(session, "cancel").status_code == 404
    assert portal.current().cancel_at is None


def test_an_unknown_portal_url_is_a_410(sandbox: SandboxClient) -> None:
    assert sandbox.browser.get("/p/session/test_unknown").status_code == 410
