"""Coupons and credits of the Stripe account: what costs less, or nothing, is granted all the same."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cv_testing.serving import eventually
from stripe import Invoice

from services.payments.tests.conftest import operate
from services.payments.tests.shop import Shop, event

NOT_DONE = "select id, error from stripe_events where outcome in ('quarantined', 'dead') and object_id = any(%s)"


def coupon(shop: Shop, **changes: Any) -> str:
    wanted: Any = {"percent_off": 100, "duration": "once"} | changes
    return shop.stripe.v1.coupons.create(wanted).id


def promotion_code(shop: Shop, **changes: Any) -> str:
    """A code that nobody has used yet."""
    code = f"CODE{shop.number()}"
    shop.stripe.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon(shop, **changes)}, "code": code}
    )
    return code


async def pay_with(shop: Shop, page: str, code: str, button: str = "pay") -> None:
    answer = await shop.sandbox.post(f"{page}/promotion-code", data={"code": code})
    assert answer.status_code == 200, answer.text
    await shop.press(page, button)


async def has_paid(shop: Shop, user: dict[str, str], *expected: tuple[str, str]) -> None:
    """Wait until these payments are listed, newest first: status and amount."""

    async def is_so() -> bool:
        return [(each["status"], each["amount"]) for each in await shop.mine("", user)] == list(expected)

    await eventually(is_so)


@pytest.mark.parametrize(("percent", "amount"), [(50, "2.49"), (100, "0.00")])
async def test_a_promotion_code_buys_a_resume(shop: Shop, percent: int, amount: str) -> None:
    user, resume_id = shop.user(), shop.resume()
    page = await shop.single(user, resume_id)
    await pay_with(shop, page, promotion_code(shop, percent_off=percent))
    await has_paid(shop, user, ("succeeded", amount))
    await eventually(lambda: shop.paid(resume_id) == [True])
    assert (await shop.mine(f"checkout/{shop.session_at(page).id}/", user))["status"] == "succeeded"


async def test_a_discounted_payment_is_refunded_when_all_of_it_is_given_back(shop: Shop) -> None:
    user, resume_id = shop.user(), shop.resume()
    page = await shop.single(user, resume_id)
    await pay_with(shop, page, promotion_code(shop, percent_off=50))
    await has_paid(shop, user, ("succeeded", "2.49"))
    await shop.control("refund", charge=shop.charge_at(page).id, amount=100)
    await eventually(shop.has_heard_all)
    await has_paid(shop, user, ("succeeded", "2.49"))
    await shop.control("refund", charge=shop.charge_at(page).id)
    await has_paid(shop, user, ("refunded", "2.49"))
    await eventually(lambda: shop.paid(resume_id) == [True, False])


@pytest.mark.parametrize(("arrived", "status"), [(True, "succeeded"), (False, "failed")])
async def test_a_delayed_discounted_payment_is_listed_with_what_is_paid(shop: Shop, arrived: bool, status: str) -> None:
    user = shop.user()
    page = await shop.single(user, shop.resume())
    await pay_with(shop, page, promotion_code(shop, percent_off=50), "pay-later")
    await has_paid(shop, user, ("pending", "2.49"))
    await shop.control("settle", session=shop.session_at(page).id, arrived=arrived)
    await has_paid(shop, user, (status, "2.49"))


async def test_a_discounted_payment_that_the_previous_release_quarantined_is_granted_when_retried(
    shop: Shop, environment: Callable[..., dict[str, str]]
) -> None:
    """That release also failed the checkout, once it was overdue."""
    user, resume_id = shop.user(), shop.resume()
    page = await shop.single(user, resume_id)
    await shop.control("delivery", drop=["*"])
    await pay_with(shop, page, promotion_code(shop, percent_off=50))
    told = event("checkout.session.completed", shop.session_at(page).id)
    shop.row(
        "insert into stripe_events (id, type, object_id, attempts, outcome, error, processed_at)"
        " values (%s, %s, %s, 1, 'quarantined', 'amount: 249 instead of 499', now()) returning id",
        told["id"], told["type"], told["data"]["object"]["id"],
    )  # fmt: skip
    shop.row("update checkouts set status = 'failed' where url = %s returning id", page)
    shop.row("update payments set outcome = 'failed', status = 'failed' where resume_id = %s returning id", resume_id)
    settings = environment(DATABASE_URL=shop.database_url)
    done = await asyncio.to_thread(operate, settings, "events", "retry", told["id"])
    assert done.returncode == 0, done.stderr
    await has_paid(shop, user, ("succeeded", "2.49"))
    await eventually(lambda: shop.paid(resume_id) == [True])


@pytest.mark.parametrize("free_comes", ["first", "second"])
async def test_of_two_payments_only_money_is_given_back(shop: Shop, free_comes: str) -> None:
    """The resume stays paid; there is nothing to refund of a free payment."""
    resume_id, free, dear = shop.resume(), shop.user(), shop.user()
    free_page, dear_page = await shop.single(free, resume_id), await shop.single(dear, resume_id)
    code = promotion_code(shop)
    if free_comes == "first":
        await pay_with(shop, free_page, code)
        await has_paid(shop, free, ("succeeded", "0.00"))
        await shop.press(dear_page)
        await has_paid(shop, dear, ("refunded", "4.99"))
    else:
        await shop.press(dear_page)
        await has_paid(shop, dear, ("succeeded", "4.99"))
        await pay_with(shop, free_page, code)
        await has_paid(shop, free, ("succeeded", "0.00"))
        assert shop.refunded(dear_page) == 0
        await shop.control("refund", charge=shop.charge_at(dear_page).id)
        await has_paid(shop, dear, ("refunded", "4.99"))
    await eventually(shop.has_heard_all)
    await has_paid(shop, free, ("succeeded", "0.00"))
    assert shop.paid(resume_id) == [True]


async def test_a_free_payment_for_a_resume_that_is_gone_is_left_alone(shop: Shop) -> None:
    user, resume_id = shop.user(), shop.resume()
    page = await shop.single(user, resume_id)
    await shop.control("delivery", hold=True)
    await pay_with(shop, page, promotion_code(shop))
    shop.row("insert into resumes (id, deleted_at) values (%s, now()) on conflict (id) do update"
             " set deleted_at = now() returning id", resume_id)  # fmt: skip
    await shop.control("delivery", hold=False)
    await shop.control("release")
    await has_paid(shop, user, ("succeeded", "0.00"))
    assert shop.paid(resume_id) == []


@pytest.mark.parametrize(
    ("discount", "first", "second"),
    [
        ({"percent_off": 100, "duration": "once"}, "0.00", "9.99"),
        ({"percent_off": 50, "duration": "forever"}, "4.99", "4.99"),
    ],
)
async def test_a_promotion_code_buys_a_subscription(
    shop: Shop, discount: dict[str, Any], first: str, second: str
) -> None:
    user_id = shop.number()
    user = shop.keys.user("payments", user_id)
    page = await shop.page(user, payment_type="monthly")
    await pay_with(shop, page, promotion_code(shop, **discount))
    await has_paid(shop, user, ("succeeded", first))
    session = shop.session_at(page)
    assert (await shop.mine(f"checkout/{session.id}/", user))["status"] == "succeeded"
    assert (await shop.mine("subscription/", user))["is_entitled"]
    await eventually(lambda: shop.standing(user_id=user_id) is not None)
    await shop.control("renew", subscription=getattr(session.subscription, "id", None))
    await has_paid(shop, user, ("succeeded", second), ("succeeded", first))


async def test_an_invoice_of_nothing_after_the_first_is_no_payment(shop: Shop) -> None:
    """A credit has paid it."""
    user = shop.user()
    subscription = await shop.subscribe(user)
    await has_paid(shop, user, ("succeeded", "9.99"))
    shop.stripe.v1.customers.update(str(subscription.customer), {"balance": -5000})
    await shop.control("renew", subscription=subscription.id)
    await eventually(shop.has_heard_all)
    await has_paid(shop, user, ("succeeded", "9.99"))


async def test_a_customers_own_discount_is_taken_off_the_next_invoice(shop: Shop) -> None:
    user = shop.user()
    subscription = await shop.subscribe(user)
    await has_paid(shop, user, ("succeeded", "9.99"))
    await shop.control("discount", customer=subscription.customer, coupon=coupon(shop, percent_off=50))
    await shop.control("renew", subscription=subscription.id)
    await has_paid(shop, user, ("succeeded", "4.99"), ("succeeded", "9.99"))


@pytest.mark.parametrize(("percent", "amount"), [(50, "4.99"), (100, "0.00")])
async def test_a_customers_own_discount_is_taken_off_a_new_subscription(shop: Shop, percent: int, amount: str) -> None:
    user = shop.user()
    before = await shop.buy(user, shop.resume())
    await has_paid(shop, user, ("succeeded", "4.99"))
    await shop.control(
        "discount", customer=before.customer, coupon=coupon(shop, percent_off=percent, duration="forever")
    )
    await shop.press(await shop.page(user, payment_type="monthly"))

    async def is_listed() -> bool:
        return sorted(each["amount"] for each in await shop.mine("", user)) == sorted([amount, "4.99"])

    await eventually(is_listed)
    assert (await shop.mine("subscription/", user))["is_entitled"]


async def test_a_discounted_subscriber_changes_plan(shop: Shop) -> None:
    user = shop.user()
    subscription = await shop.subscribe(user)
    half = coupon(shop, percent_off=50, duration="forever")
    shop.stripe.v1.subscriptions.update(subscription.id, {"discounts": [{"coupon": half}]})
    confirm = await shop.page(user, payment_type="yearly")
    await shop.sandbox.post(f"{confirm}/switch", data={
        "subscription": subscription.id, "price": shop.price("cv_yearly")})  # fmt: skip
    invoices = shop.stripe.v1.invoices.list({"subscription": subscription.id}).data
    await has_paid(shop, user, ("succeeded", f"{invoices[0].amount_paid / 100:.2f}"), ("succeeded", "9.99"))
    assert (await shop.mine("subscription/", user))["subscription_type"] == "yearly"
    objects = [subscription.id, *(invoice.id for invoice in invoices)]
    await eventually(shop.has_heard_all)
    assert shop.row(NOT_DONE, objects) == {}


async def test_a_free_subscription_too_many_is_ended_without_a_refund(shop: Shop) -> None:
    session_id, user_id = f"session-{shop.number()}", shop.number()
    user = shop.keys.user("payments", user_id)
    old = await shop.subscribe(user)
    page = await shop.page(shop.session(session_id), payment_type="monthly")
    await pay_with(shop, page, promotion_code(shop))
    await eventually(lambda: shop.standing(session_id=session_id) is not None)
    claimed = await shop.post(f"/internal/sessions/{session_id}/claim/", {"user_id": user_id}, shop.service("auth"))
    assert claimed.status_code == 204
    newer = shop.session_at(page).subscription
    newer_id = str(getattr(newer, "id", None))
    await eventually(lambda: shop.stripe.v1.subscriptions.retrieve(newer_id).status == "canceled")
    await eventually(shop.has_heard_all)
    assert shop.stripe.v1.subscriptions.retrieve(old.id).status == "active"
    assert sorted(each["amount"] for each in await shop.mine("", user)) == ["0.00", "9.99"]
    assert {each["status"] for each in await shop.mine("", user)} == {"succeeded"}


async def test_a_failed_invoice_that_a_credit_settled_has_succeeded(shop: Shop, sandbox_folder: Path) -> None:
    """Somebody lets a subscriber off: the invoice is paid with 0, and its payment no longer counts as failed."""
    user = shop.user()
    subscription = await shop.subscribe(user)
    await shop.control("card", customer=subscription.customer, card="0341")
    await shop.control("renew", subscription=subscription.id)
    await has_paid(shop, user, ("failed", "9.99"), ("succeeded", "9.99"))
    latest = shop.stripe.v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice"]}).latest_invoice
    assert isinstance(latest, Invoice)
    assert latest.id is not None
    settle = "update objects set body = json_set(body, '$.status', 'paid', '$.amount_due', 0) where id = ?"
    with closing(sqlite3.connect(sandbox_folder / "stripe.sqlite3")) as stripe_s_own:
        stripe_s_own.execute(settle, (latest.id,))
        stripe_s_own.commit()
    await shop.deliver(event("invoice.paid", latest.id))
    await has_paid(shop, user, ("succeeded", "0.00"), ("succeeded", "9.99"))
