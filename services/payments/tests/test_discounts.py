"""Coupons and credits at Stripe: discounted and free purchases are granted too."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cv_testing.serving import eventually
from stripe import Invoice

from services.payments.tests.conftest import Operator
from services.payments.tests.system import System, event

NOT_DONE = "select id, error from stripe_events where outcome in ('quarantined', 'dead') and object_id = any(%s)"


def coupon(system: System, **changes: Any) -> str:
    wanted: Any = {"percent_off": 100, "duration": "once"} | changes
    return system.stripe.v1.coupons.create(wanted).id


def promotion_code(system: System, **changes: Any) -> str:
    """Return a new promotion code."""
    code = f"CODE{system.new_id()}"
    system.stripe.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon(system, **changes)}, "code": code}
    )
    return code


async def pay_with(system: System, page: str, code: str, button: str = "pay") -> None:
    answer = await system.sandbox.post(f"{page}/promotion-code", data={"code": code})
    assert answer.status_code == 200, answer.text
    await system.press(page, button)


async def has_paid(system: System, user: dict[str, str], *expected: tuple[str, str]) -> None:
    """Wait until these payments are listed, newest first: status and amount."""

    async def is_so() -> bool:
        return [(each["status"], each["amount"]) for each in await system.get("", user)] == list(expected)

    await eventually(is_so)


@pytest.mark.parametrize(("percent", "amount"), [(50, "2.49"), (100, "0.00")])
async def test_a_promotion_code_buys_a_resume(system: System, percent: int, amount: str) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    page = await system.single_page(user, resume_id)
    await pay_with(system, page, promotion_code(system, percent_off=percent))
    await has_paid(system, user, ("succeeded", amount))
    await eventually(lambda: system.published_paid(resume_id) == [True])
    assert (await system.get(f"checkout/{system.session_at(page).id}/", user))["status"] == "succeeded"


async def test_discounted_payment_counts_as_refunded_after_a_full_refund(system: System) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    page = await system.single_page(user, resume_id)
    await pay_with(system, page, promotion_code(system, percent_off=50))
    await has_paid(system, user, ("succeeded", "2.49"))
    await system.control("refund", charge=system.charge_at(page).id, amount=100)
    await eventually(system.all_webhooks_processed)
    await has_paid(system, user, ("succeeded", "2.49"))
    await system.control("refund", charge=system.charge_at(page).id)
    await has_paid(system, user, ("refunded", "2.49"))
    await eventually(lambda: system.published_paid(resume_id) == [True, False])


@pytest.mark.parametrize(("arrived", "status"), [(True, "succeeded"), (False, "failed")])
async def test_delayed_discounted_payment_shows_the_discounted_amount(
    system: System, arrived: bool, status: str
) -> None:
    user = system.new_user()
    page = await system.single_page(user, system.new_resume())
    await pay_with(system, page, promotion_code(system, percent_off=50), "pay-later")
    await has_paid(system, user, ("pending", "2.49"))
    await system.control("settle", session=system.session_at(page).id, arrived=arrived)
    await has_paid(system, user, (status, "2.49"))


async def test_discounted_payment_quarantined_by_an_older_release_is_granted_after_a_retry(
    system: System, operator: Operator
) -> None:
    """The older release also marked the overdue checkout failed."""
    user, resume_id = system.new_user(), system.new_resume()
    page = await system.single_page(user, resume_id)
    await system.control("delivery", drop=["*"])
    await pay_with(system, page, promotion_code(system, percent_off=50))
    stripe_event = event("checkout.session.completed", system.session_at(page).id)
    system.row(
        "insert into stripe_events (id, type, object_id, attempts, outcome, error, processed_at)"
        " values (%s, %s, %s, 1, 'quarantined', 'amount: 249 instead of 499', now()) returning id",
        stripe_event["id"], stripe_event["type"], stripe_event["data"]["object"]["id"],
    )  # fmt: skip
    system.row("update checkouts set status = 'failed' where url = %s returning id", page)
    system.row("update payments set outcome = 'failed', status = 'failed' where resume_id = %s returning id", resume_id)
    assert (await operator("events", "retry", stripe_event["id"]))[0] == 0
    await has_paid(system, user, ("succeeded", "2.49"))
    await eventually(lambda: system.published_paid(resume_id) == [True])


@pytest.mark.parametrize("free_comes", ["first", "second"])
async def test_free_duplicate_payment_is_not_refunded(system: System, free_comes: str) -> None:
    """The resume stays paid."""
    resume_id, free, dear = system.new_resume(), system.new_user(), system.new_user()
    free_page, dear_page = await system.single_page(free, resume_id), await system.single_page(dear, resume_id)
    code = promotion_code(system)
    if free_comes == "first":
        await pay_with(system, free_page, code)
        await has_paid(system, free, ("succeeded", "0.00"))
        await system.press(dear_page)
        await has_paid(system, dear, ("refunded", "4.99"))
    else:
        await system.press(dear_page)
        await has_paid(system, dear, ("succeeded", "4.99"))
        await pay_with(system, free_page, code)
        await has_paid(system, free, ("succeeded", "0.00"))
        assert system.refunded_amount(dear_page) == 0
        await system.control("refund", charge=system.charge_at(dear_page).id)
        await has_paid(system, dear, ("refunded", "4.99"))
    await eventually(system.all_webhooks_processed)
    await has_paid(system, free, ("succeeded", "0.00"))
    assert system.published_paid(resume_id) == [True]


async def test_free_payment_for_a_deleted_resume_is_not_refunded(system: System) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    page = await system.single_page(user, resume_id)
    await system.control("delivery", hold=True)
    await pay_with(system, page, promotion_code(system))
    system.row("insert into resumes (id, deleted_at) values (%s, now()) on conflict (id) do update"
             " set deleted_at = now() returning id", resume_id)  # fmt: skip
    await system.control("delivery", hold=False)
    await system.control("release")
    await has_paid(system, user, ("succeeded", "0.00"))
    assert system.published_paid(resume_id) == []


@pytest.mark.parametrize(
    ("discount", "first", "second"),
    [
        ({"percent_off": 100, "duration": "once"}, "0.00", "9.99"),
        ({"percent_off": 50, "duration": "forever"}, "4.99", "4.99"),
    ],
)
async def test_a_promotion_code_buys_a_subscription(
    system: System, discount: dict[str, Any], first: str, second: str
) -> None:
    user_id = system.new_id()
    user = system.keys.user("payments", user_id)
    page = await system.checkout_page(user, payment_type="monthly")
    await pay_with(system, page, promotion_code(system, **discount))
    await has_paid(system, user, ("succeeded", first))
    session = system.session_at(page)
    assert (await system.get(f"checkout/{session.id}/", user))["status"] == "succeeded"
    assert (await system.get("subscription/", user))["is_entitled"]
    await eventually(lambda: system.summary(user_id=user_id) is not None)
    await system.control("renew", subscription=getattr(session.subscription, "id", None))
    await has_paid(system, user, ("succeeded", second), ("succeeded", first))


async def test_later_invoice_of_zero_is_not_a_payment(system: System) -> None:
    """A credit of the customer pays the invoice."""
    user = system.new_user()
    subscription = await system.subscribe(user)
    await has_paid(system, user, ("succeeded", "9.99"))
    system.stripe.v1.customers.update(str(subscription.customer), {"balance": -5000})
    await system.control("renew", subscription=subscription.id)
    await eventually(system.all_webhooks_processed)
    await has_paid(system, user, ("succeeded", "9.99"))


async def test_customer_discount_applies_to_the_next_invoice(system: System) -> None:
    user = system.new_user()
    subscription = await system.subscribe(user)
    await has_paid(system, user, ("succeeded", "9.99"))
    await system.control("discount", customer=subscription.customer, coupon=coupon(system, percent_off=50))
    await system.control("renew", subscription=subscription.id)
    await has_paid(system, user, ("succeeded", "4.99"), ("succeeded", "9.99"))


@pytest.mark.parametrize(("percent", "amount"), [(50, "4.99"), (100, "0.00")])
async def test_customer_discount_applies_to_a_new_subscription(system: System, percent: int, amount: str) -> None:
    user = system.new_user()
    before = await system.buy(user, system.new_resume())
    await has_paid(system, user, ("succeeded", "4.99"))
    await system.control(
        "discount", customer=before.customer, coupon=coupon(system, percent_off=percent, duration="forever")
    )
    await system.press(await system.checkout_page(user, payment_type="monthly"))

    async def is_listed() -> bool:
        return sorted(each["amount"] for each in await system.get("", user)) == sorted([amount, "4.99"])

    await eventually(is_listed)
    assert (await system.get("subscription/", user))["is_entitled"]


async def test_a_discounted_subscriber_changes_plan(system: System) -> None:
    user = system.new_user()
    subscription = await system.subscribe(user)
    half = coupon(system, percent_off=50, duration="forever")
    system.stripe.v1.subscriptions.update(subscription.id, {"discounts": [{"coupon": half}]})
    confirm = await system.checkout_page(user, payment_type="yearly")
    await system.sandbox.post(f"{confirm}/switch", data={
        "subscription": subscription.id, "price": system.price_id("cv_yearly")})  # fmt: skip
    invoices = system.stripe.v1.invoices.list({"subscription": subscription.id}).data
    await has_paid(system, user, ("succeeded", f"{invoices[0].amount_paid / 100:.2f}"), ("succeeded", "9.99"))
    assert (await system.get("subscription/", user))["subscription_type"] == "yearly"
    objects = [subscription.id, *(invoice.id for invoice in invoices)]
    await eventually(system.all_webhooks_processed)
    assert system.row(NOT_DONE, objects) == {}


async def test_free_duplicate_subscription_is_canceled_without_a_refund(system: System) -> None:
    session_id, user_id = f"session-{system.new_id()}", system.new_id()
    user = system.keys.user("payments", user_id)
    old = await system.subscribe(user)
    page = await system.checkout_page(system.as_session(session_id), payment_type="monthly")
    await pay_with(system, page, promotion_code(system))
    await eventually(lambda: system.summary(session_id=session_id) is not None)
    await system.claim(session_id, user_id)
    newer = system.session_at(page).subscription
    newer_id = str(getattr(newer, "id", None))
    await eventually(lambda: system.stripe.v1.subscriptions.retrieve(newer_id).status == "canceled")
    await eventually(system.all_webhooks_processed)
    assert system.stripe.v1.subscriptions.retrieve(old.id).status == "active"
    assert sorted(each["amount"] for each in await system.get("", user)) == ["0.00", "9.99"]
    assert {each["status"] for each in await system.get("", user)} == {"succeeded"}


async def test_failed_invoice_settled_by_a_credit_succeeds(system: System, sandbox_folder: Path) -> None:
    """After a credit the invoice is paid with 0."""
    user = system.new_user()
    subscription = await system.subscribe(user)
    await system.control("card", customer=subscription.customer, card="0341")
    await system.control("renew", subscription=subscription.id)
    await has_paid(system, user, ("failed", "9.99"), ("succeeded", "9.99"))
    latest = system.stripe.v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice"]}).latest_invoice
    assert isinstance(latest, Invoice)
    assert latest.id is not None
    settle = "update objects set body = json_set(body, '$.status', 'paid', '$.amount_due', 0) where id = ?"
    with closing(sqlite3.connect(sandbox_folder / "stripe.sqlite3")) as sandbox:
        sandbox.execute(settle, (latest.id,))
        sandbox.commit()
    await system.deliver(event("invoice.paid", latest.id))
    await has_paid(system, user, ("succeeded", "0.00"), ("succeeded", "9.99"))
