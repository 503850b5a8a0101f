"""Objects at Stripe that do not match are quarantined and grant nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cv_testing.serving import eventually
from stripe import Subscription

from services.payments.tests.system import System, event

OK = (200, {"status": "success"})


@pytest.mark.parametrize("forged", ["amount", "price", "session"])
async def test_session_that_does_not_match_its_checkout_is_quarantined(system: System, forged: str) -> None:
    """A paid session names a checkout whose session is another one."""
    user, resume_id = system.new_user(), system.new_resume()
    genuine = system.session_at(await system.single_page(user, resume_id))
    price = {"currency": "eur", "unit_amount": 50 if forged == "amount" else 499, "product_data": {"name": "x"}}
    line: Any = {"price": system.price_id("cv_single")} if forged == "session" else {"price_data": price}
    wanted: Any = {
        "mode": "payment",
        "client_reference_id": genuine.client_reference_id,
        "line_items": [{**line, "quantity": 1}],
        "success_url": "https://example.com/",
    }
    cheap = system.stripe.v1.checkout.sessions.create(wanted)
    assert cheap.url is not None
    await system.control("delivery", drop=["*"])
    await system.press(cheap.url)
    stripe_event = event("checkout.session.completed", cheap.id)
    answer = await system.deliver(stripe_event)
    assert (answer.status_code, answer.json()) == OK
    assert system.stored_event(stripe_event["id"])["outcome"] == "quarantined"
    assert forged in system.stored_event(stripe_event["id"])["error"]
    assert system.published_paid(resume_id) == []


@pytest.mark.parametrize("forged", ["amount", "price"])
async def test_subscription_that_names_a_foreign_checkout_is_quarantined(system: System, forged: str) -> None:
    """Its metadata names a checkout whose session did not start it."""
    user_id = system.new_id()
    await system.checkout_page(system.keys.user("payments", user_id), payment_type="monthly")
    attempt = system.row(
        "select checkouts.id from checkouts join owners on owners.id = owner_id where user_id = %s", user_id
    )
    cheap = {"currency": "eur", "unit_amount": 50, "product_data": {"name": "x"}, "recurring": {"interval": "month"}}
    line: Any = {"price_data": cheap} if forged == "amount" else {"price": system.price_id("cv_monthly")}
    wanted: Any = {
        "mode": "subscription",
        "line_items": [{**line, "quantity": 1}],
        "subscription_data": {"metadata": {"checkout_id": str(attempt["id"])}},
        "success_url": "https://example.com/",
    }
    other = system.stripe.v1.checkout.sessions.create(wanted)
    assert other.url is not None
    await system.control("delivery", drop=["*"])
    await system.press(other.url)
    begun = system.session_at(other.url)
    assert isinstance(begun.subscription, Subscription)
    [invoice] = system.stripe.v1.invoices.list({"subscription": begun.subscription.id}).data
    for stripe_event in (
        event("customer.subscription.created", begun.subscription.id),
        event("invoice.paid", invoice.id),
    ):
        assert (await system.deliver(stripe_event)).status_code == 200
        assert system.stored_event(stripe_event["id"])["outcome"] == "quarantined"
        assert "instead of" in system.stored_event(stripe_event["id"])["error"]
    assert await system.subscription_status(system.keys.user("payments", user_id)) is None
    assert await system.get("", system.keys.user("payments", user_id)) == []


async def test_single_payment_with_an_invoice_is_granted(system: System, sandbox_folder: Path) -> None:
    """With `invoice_creation` Stripe also creates an invoice for a single payment."""
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    await system.control("delivery", drop=["*"])
    await system.press(page)
    stripe_event = event("checkout.session.completed", system.session_at(page).id)
    with closing(sqlite3.connect(sandbox_folder / "stripe.sqlite3")) as database:
        update = "update objects set body = json_set(body, '$.invoice', 'in_of_a_payment') where id = ?"
        database.execute(update, (stripe_event["data"]["object"]["id"],))
        database.commit()
    await system.deliver(stripe_event)
    assert system.stored_event(stripe_event["id"])["outcome"] == "done"
    await eventually(lambda: system.published_paid(resume_id) == [True])


async def test_change_to_an_unknown_price_is_quarantined(system: System) -> None:
    """The stored subscription stays unchanged until it ends."""
    user_id = system.new_id()
    user = system.keys.user("payments", user_id)
    subscription = await system.subscribe(user)
    await eventually(lambda: system.summary(user_id=user_id) is not None)
    await eventually(system.all_webhooks_processed)
    before = await system.get("subscription/", user)
    recurring: Any = {"interval": "year"}
    cheap = system.stripe.v1.prices.create(
        {"currency": "eur", "unit_amount": 50, "product": "cv_yearly", "recurring": recurring}
    )
    item = system.stripe.v1.subscriptions.retrieve(subscription.id)["items"]["data"][0]
    await system.control("delivery", drop=["*"])
    system.stripe.v1.subscriptions.update(subscription.id, {"items": [{"id": item.id, "price": cheap.id}]})
    stripe_event = event("customer.subscription.updated", subscription.id)
    assert (await system.deliver(stripe_event)).status_code == 200
    assert system.stored_event(stripe_event["id"])["outcome"] == "quarantined"
    assert f"{cheap.id!r} is not an allowed price" in system.stored_event(stripe_event["id"])["error"]
    assert await system.get("subscription/", user) == before
    system.stripe.v1.subscriptions.cancel(subscription.id)
    await system.deliver(event("customer.subscription.deleted", subscription.id))
    await eventually(lambda: (now := system.summary(user_id=user_id)) is not None and now.status == "canceled")


async def test_unknown_subscription_status_keeps_the_stored_state(system: System, sandbox_folder: Path) -> None:
    """The stored state stays until Stripe reports a known status."""
    user_id = system.new_id()
    user = system.keys.user("payments", user_id)
    subscription = await system.subscribe(user)
    await eventually(lambda: system.summary(user_id=user_id) is not None)
    await eventually(system.all_webhooks_processed)
    before = await system.get("subscription/", user)
    turn = "update objects set body = json_set(body, '$.status', ?) where id = ?"
    stripe_event = event("customer.subscription.updated", subscription.id)
    with closing(sqlite3.connect(sandbox_folder / "stripe.sqlite3")) as sandbox:
        sandbox.execute(turn, ("hibernating", subscription.id))
        sandbox.commit()
        answer = await system.deliver(stripe_event)
        sandbox.execute(turn, ("active", subscription.id))
        sandbox.commit()
    assert (answer.status_code, answer.json()) == OK
    assert system.stored_event(stripe_event["id"])["outcome"] == "quarantined"
    assert system.stored_event(stripe_event["id"])["error"] == "unknown subscription status 'hibernating'"
    assert await system.get("subscription/", user) == before
