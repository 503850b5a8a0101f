"""A subscription's life, purchases that follow their buyer, money given back, an account erased."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.bank import Bank
from tests.integration.deployments import Deployment
from tests.integration.visitor import PASSWORD, Visitor, eventually, expect

PROFILE, SUBSCRIPTION = "/api/auth/profile/", "/api/payments/subscription/"


@pytest.fixture
async def bank(deployment: Deployment) -> AsyncIterator[Bank]:
    async with Bank(deployment.stripe_url, deployment.stripe_api_key()) as bank:
        yield bank


@pytest.fixture
async def member(marie: Visitor) -> Visitor:
    """Marie with an account, logged in."""
    user = await marie.register()
    await marie.login(user["email"])
    return marie


async def portal(visitor: Visitor, deployment: Deployment) -> str:
    body = {"return_url": f"{deployment.public_url}/"}
    return str(expect(await visitor.request("POST", "/api/payments/portal/", json=body), 200)["url"])


async def eventually_profile(visitor: Visitor, is_premium: bool, subscription_type: str | None) -> dict[str, Any]:
    """The profile, once it says so."""

    async def says_so() -> bool:
        profile = await visitor.get(PROFILE)
        return (profile["is_premium"], profile["subscription_type"]) == (is_premium, subscription_type)

    await eventually(says_so)
    profile: dict[str, Any] = await visitor.get(PROFILE)
    return profile


async def eventually_exports(visitor: Visitor, resume: dict[str, Any], *, watermark: bool) -> None:
    async def does() -> bool:
        return (await visitor.export(resume["id"]))[0] is watermark

    await eventually(does)


async def eventually_agree(visitor: Visitor, resume_id: int, paid_by: str, *statuses: str) -> None:
    """Wait until payments, newest first, have these statuses, and the CV, its export and the profile follow from it."""

    async def do() -> bool:
        payments = [each["status"] for each in await visitor.get("/api/payments/")]
        resume = await visitor.get(f"/api/resumes/{resume_id}/")
        is_free = (await visitor.export(resume_id))[0]
        is_premium = (await visitor.get(PROFILE))["is_premium"]
        said = (payments, resume["payment_type"], resume["is_paid"], is_free, is_premium)
        paid = paid_by != "free"
        return said == ([*statuses], paid_by, paid, not paid, paid_by == "subscription")

    await eventually(do)


async def test_from_the_first_month_to_the_end(member: Visitor, deployment: Deployment, bank: Bank) -> None:
    resume = await member.write_resume()
    await eventually_exports(member, resume, watermark=True)
    await member.pay(await member.checkout(payment_type="monthly"))
    await eventually_profile(member, True, "monthly")
    await eventually_exports(member, resume, watermark=False)

    page = await portal(member, deployment)
    subscription = await bank.subscription(page)
    await bank.turn("renew", subscription=subscription)

    async def has_paid_twice() -> bool:
        return len(await member.get("/api/payments/")) == 2

    await eventually(has_paid_twice)
    await bank.press(page, "cancel", subscription=subscription)

    async def will_end() -> bool:
        return not (await member.get(SUBSCRIPTION))["will_renew"]

    await eventually(will_end)
    assert (await member.get(PROFILE))["is_premium"], "what is paid for stays until its end"
    assert not (await member.export(resume["id"]))[0]

    await bank.turn("end", subscription=subscription)
    await eventually_profile(member, False, None)
    await eventually_exports(member, resume, watermark=True)
    payments = await member.get("/api/payments/")
    assert [(each["payment_type"], each["amount"], each["status"]) for each in payments] == [
        ("monthly", "9.99", "succeeded")
    ] * 2


async def test_a_change_of_plan_goes_through_the_portal(member: Visitor, deployment: Deployment, bank: Bank) -> None:
    await member.pay(await member.checkout(payment_type="monthly"))
    await eventually_profile(member, True, "monthly")
    wish = await member.checkout(payment_type="yearly")
    assert wish.startswith(f"{deployment.stripe_url}/p/session/"), "never a second subscription"
    subscription = await bank.subscription(wish)
    await bank.press(wish, "switch", subscription=subscription, price=await bank.offered_price(wish))
    await eventually_profile(member, True, "yearly")
    assert (await member.get(SUBSCRIPTION))["subscription_type"] == "yearly"

    async def is_billed() -> bool:
        return [each["payment_type"] for each in await member.get("/api/payments/")] == ["yearly", "monthly"]

    await eventually(is_billed)


async def test_subscribing_again_after_the_end(member: Visitor, deployment: Deployment, bank: Bank) -> None:
    resume_id = (await member.write_resume())["id"]
    await member.pay(await member.checkout(payment_type="monthly"))
    await eventually_agree(member, resume_id, "subscription", "succeeded")
    page = await portal(member, deployment)
    await bank.press(page, "cancel", subscription=(subscription := await bank.subscription(page)))
    await bank.turn("end", subscription=subscription)
    await eventually_agree(member, resume_id, "free", "succeeded")
    await member.pay(await member.checkout(payment_type="yearly"))
    await eventually_agree(member, resume_id, "subscription", "succeeded", "succeeded")
    await eventually_profile(member, True, "yearly")


async def test_a_dunning_in_vain_ends_the_subscription(member: Visitor, deployment: Deployment, bank: Bank) -> None:
    resume_id = (await member.write_resume())["id"]
    await member.pay(await member.checkout(payment_type="monthly"))
    await eventually_agree(member, resume_id, "subscription", "succeeded")
    page = await portal(member, deployment)
    subscription = await bank.subscription(page)
    await bank.press(page, "card", card="0341")
    await bank.turn("renew", subscription=subscription)
    await eventually_agree(member, resume_id, "subscription", "failed", "succeeded")
    while await bank.status(subscription) == "past_due":
        await bank.turn("retry", subscription=subscription)
    await eventually_agree(member, resume_id, "free", "failed", "succeeded")
    assert (await member.get(SUBSCRIPTION))["status"] == "canceled"


async def test_a_renewal_that_fails_leaves_days_to_pay(member: Visitor, deployment: Deployment, bank: Bank) -> None:
    await member.pay(await member.checkout(payment_type="yearly"))
    await eventually_profile(member, True, "yearly")
    page = await portal(member, deployment)
    subscription = await bank.subscription(page)
    await bank.press(page, "card", card="0341")
    await bank.turn("renew", subscription=subscription)

    async def is_past_due() -> bool:
        return bool((await member.get(SUBSCRIPTION))["status"] == "past_due")

    await eventually(is_past_due)
    assert (await member.get(PROFILE))["is_premium"]
    await bank.press(page, "card", card="4242")
    await bank.turn("retry", subscription=subscription)

    async def is_active() -> bool:
        return bool((await member.get(SUBSCRIPTION))["status"] == "active")

    await eventually(is_active)


async def test_what_an_anonymous_visitor_buys_follows_into_the_account(marie: Visitor) -> None:
    resume = await marie.write_resume()
    await marie.pay(await marie.checkout(payment_type="yearly"))
    await eventually_exports(marie, resume, watermark=False)
    user = await marie.register()
    await marie.login(user["email"])
    await eventually_profile(marie, True, "yearly")
    assert [(each["id"], each["payment_type"]) for each in await marie.get("/api/resumes/")] == [
        (resume["id"], "subscription")
    ]
    assert (await marie.get(SUBSCRIPTION))["is_entitled"]


async def test_a_payment_given_back_takes_the_resume_back(member: Visitor, bank: Bank) -> None:
    resume = await member.write_resume()
    await member.pay(await member.checkout(resume["id"]))
    await eventually_exports(member, resume, watermark=False)
    await bank.turn("refund", charge=await bank.newest_charge())
    await eventually_exports(member, resume, watermark=True)
    [payment] = await member.get("/api/payments/")
    assert (payment["status"], payment["amount_refunded"]) == ("refunded", "4.99")


async def test_a_part_given_back_takes_nothing(member: Visitor, bank: Bank) -> None:
    resume_id = (await member.write_resume())["id"]
    await member.pay(await member.checkout(resume_id))
    await eventually_agree(member, resume_id, "single", "succeeded")
    await bank.turn("refund", charge=await bank.newest_charge(), amount=100)

    async def is_told() -> bool:
        [payment] = await member.get("/api/payments/")
        return bool(payment["amount_refunded"] == "1.00")

    await eventually(is_told)
    await eventually_agree(member, resume_id, "single", "succeeded")


async def test_two_tabs_pay_for_one_resume(member: Visitor, deployment: Deployment) -> None:
    """In one of them nobody is logged in: each has a page of its own. Who pays second gets it back."""
    resume_id = (await member.write_resume())["id"]
    async with Visitor(deployment.public_url) as tab:
        pages = await member.checkout(resume_id), await tab.checkout(resume_id)
        await member.pay(pages[0])
        await eventually_agree(member, resume_id, "single", "succeeded")
        await tab.pay(pages[1])

        async def is_given_back() -> bool:
            return [each["status"] for each in await tab.get("/api/payments/")] == ["refunded"]

        await eventually(is_given_back)
    await eventually_agree(member, resume_id, "single", "succeeded")


async def test_a_resume_deleted_while_it_is_paid_for(member: Visitor, deployment: Deployment, bank: Bank) -> None:
    resume_id = (await member.write_resume())["id"]
    page = await member.checkout(resume_id)
    async with Visitor(deployment.public_url) as tab:
        other_page = await tab.checkout(resume_id)
    await bank.turn("delivery", hold=True)
    try:
        await member.pay(page)
        assert (await member.request("DELETE", f"/api/resumes/{resume_id}/")).status_code == 204

        async def nobody_can_pay() -> bool:
            return await bank.page_status(other_page) == "expired"

        await eventually(nobody_can_pay)
    finally:
        await bank.turn("delivery", hold=False)
        await bank.turn("release")

    async def is_given_back() -> bool:
        [payment] = await member.get("/api/payments/")
        return (payment["status"], payment["amount_refunded"]) == ("refunded", "4.99")

    await eventually(is_given_back)
    assert not (await member.get(PROFILE))["is_premium"]


@pytest.mark.parametrize("payment_type", ["single", "monthly"])
async def test_a_lost_dispute_takes_what_was_paid(member: Visitor, bank: Bank, payment_type: str) -> None:
    resume_id = (await member.write_resume())["id"]
    await member.pay(await member.checkout(resume_id if payment_type == "single" else None, payment_type))
    paid_by = "single" if payment_type == "single" else "subscription"
    await eventually_agree(member, resume_id, paid_by, "succeeded")
    dispute = await bank.turn("dispute", charge=await bank.newest_charge())
    await eventually_agree(member, resume_id, "free", "succeeded")
    await bank.turn("move-dispute", dispute=dispute["id"], status="lost")
    await eventually_agree(member, resume_id, "free", "refunded")


async def test_a_dispute_suspends_and_winning_it_restores(member: Visitor, bank: Bank) -> None:
    resume = await member.write_resume()
    await member.pay(await member.checkout(resume["id"]))
    await eventually_exports(member, resume, watermark=False)
    dispute = await bank.turn("dispute", charge=await bank.newest_charge())
    await eventually_exports(member, resume, watermark=True)
    await bank.turn("move-dispute", dispute=dispute["id"], status="won")
    await eventually_exports(member, resume, watermark=False)


async def test_an_erased_account_leaves_nothing_and_pays_nothing(
    member: Visitor, deployment: Deployment, bank: Bank
) -> None:
    resume = await member.write_resume()
    await member.pay(await member.checkout(payment_type="monthly"))
    profile = await eventually_profile(member, True, "monthly")
    subscription = await bank.subscription(await portal(member, deployment))
    pdf = expect(await member.request("POST", f"/api/resumes/{resume['id']}/export_pdf/", json={}), 200)["pdf_url"]
    assert (await member.request("DELETE", PROFILE, json={"password": PASSWORD})).status_code == 204

    async def is_gone() -> bool:
        return (await member.request("GET", pdf)).status_code == 404

    await eventually(is_gone)
    assert (await member.request("GET", PROFILE)).status_code == 401
    assert (await member.request("GET", f"/api/resumes/{resume['id']}/")).status_code == 404
    login = {"email": profile["email"], "password": PASSWORD}
    assert (await member.request("POST", "/api/auth/login/", json=login)).status_code == 401

    async def is_canceled() -> bool:
        return await bank.status(subscription) == "canceled"

    await eventually(is_canceled)
