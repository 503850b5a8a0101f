"""Subscriptions, refunds, disputes, purchases of anonymous visitors, deleted accounts, through all services."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.deployments import Deployment
from tests.integration.stripe_sandbox import StripeSandbox
from tests.integration.visitor import PASSWORD, Visitor, eventually, expect

PROFILE, SUBSCRIPTION = "/api/auth/profile/", "/api/payments/subscription/"


@pytest.fixture
async def sandbox(deployment: Deployment) -> AsyncIterator[StripeSandbox]:
    async with StripeSandbox(deployment.stripe_url, deployment.stripe_api_key()) as sandbox:
        yield sandbox


@pytest.fixture
async def member(marie: Visitor) -> Visitor:
    """Return a visitor with an account, logged in."""
    user = await marie.register()
    await marie.login(user["email"])
    return marie


async def portal(visitor: Visitor, deployment: Deployment) -> str:
    body = {"return_url": f"{deployment.public_url}/"}
    return str(expect(await visitor.request("POST", "/api/payments/portal/", json=body), 200)["url"])


async def eventually_profile(visitor: Visitor, is_premium: bool, subscription_type: str | None) -> dict[str, Any]:
    """Wait until the profile has these values. Returns it."""

    async def matches() -> bool:
        profile = await visitor.get(PROFILE)
        return (profile["is_premium"], profile["subscription_type"]) == (is_premium, subscription_type)

    await eventually(matches)
    profile: dict[str, Any] = await visitor.get(PROFILE)
    return profile


async def eventually_exports(visitor: Visitor, resume: dict[str, Any], *, watermark: bool) -> None:
    async def matches() -> bool:
        return (await visitor.export(resume["id"]))[0] is watermark

    await eventually(matches)


async def eventually_agree(visitor: Visitor, resume_id: int, paid_by: str, *statuses: str) -> None:
    """Wait until the payments, newest first, have these statuses, and resume, export and profile agree with them."""

    async def agree() -> bool:
        payments = [each["status"] for each in await visitor.get("/api/payments/")]
        resume = await visitor.get(f"/api/resumes/{resume_id}/")
        is_free = (await visitor.export(resume_id))[0]
        is_premium = (await visitor.get(PROFILE))["is_premium"]
        found = (payments, resume["payment_type"], resume["is_paid"], is_free, is_premium)
        paid = paid_by != "free"
        return found == ([*statuses], paid_by, paid, not paid, paid_by == "subscription")

    await eventually(agree)


async def test_subscription_is_renewed_and_canceled(
    member: Visitor, deployment: Deployment, sandbox: StripeSandbox
) -> None:
    resume = await member.write_resume()
    await eventually_exports(member, resume, watermark=True)
    await member.pay(await member.checkout(payment_type="monthly"))
    await eventually_profile(member, True, "monthly")
    await eventually_exports(member, resume, watermark=False)

    page = await portal(member, deployment)
    subscription = await sandbox.subscription(page)
    await sandbox.control("renew", subscription=subscription)

    async def has_paid_twice() -> bool:
        return len(await member.get("/api/payments/")) == 2

    await eventually(has_paid_twice)
    await sandbox.press(page, "cancel", subscription=subscription)

    async def will_end() -> bool:
        return not (await member.get(SUBSCRIPTION))["will_renew"]

    await eventually(will_end)
    assert (await member.get(PROFILE))["is_premium"], "what is paid for stays until its end"
    assert not (await member.export(resume["id"]))[0]

    await sandbox.control("end", subscription=subscription)
    await eventually_profile(member, False, None)
    await eventually_exports(member, resume, watermark=True)
    payments = await member.get("/api/payments/")
    assert [(each["payment_type"], each["amount"], each["status"]) for each in payments] == [
        ("monthly", "9.99", "succeeded")
    ] * 2


async def test_portal_changes_the_plan(member: Visitor, deployment: Deployment, sandbox: StripeSandbox) -> None:
    await member.pay(await member.checkout(payment_type="monthly"))
    await eventually_profile(member, True, "monthly")
    portal_url = await member.checkout(payment_type="yearly")
    assert portal_url.startswith(f"{deployment.stripe_url}/p/session/"), "a second subscription would be bought"
    subscription = await sandbox.subscription(portal_url)
    await sandbox.press(portal_url, "switch", subscription=subscription, price=await sandbox.offered_price(portal_url))
    await eventually_profile(member, True, "yearly")
    assert (await member.get(SUBSCRIPTION))["subscription_type"] == "yearly"

    async def is_billed() -> bool:
        return [each["payment_type"] for each in await member.get("/api/payments/")] == ["yearly", "monthly"]

    await eventually(is_billed)


async def test_second_subscription_after_the_end_of_the_first(
    member: Visitor, deployment: Deployment, sandbox: StripeSandbox
) -> None:
    resume_id = (await member.write_resume())["id"]
    await member.pay(await member.checkout(payment_type="monthly"))
    await eventually_agree(member, resume_id, "subscription", "succeeded")
    page = await portal(member, deployment)
    await sandbox.press(page, "cancel", subscription=(subscription := await sandbox.subscription(page)))
    await sandbox.control("end", subscription=subscription)
    await eventually_agree(member, resume_id, "free", "succeeded")
    await member.pay(await member.checkout(payment_type="yearly"))
    await eventually_agree(member, resume_id, "subscription", "succeeded", "succeeded")
    await eventually_profile(member, True, "yearly")


async def test_failed_dunning_ends_the_subscription(
    member: Visitor, deployment: Deployment, sandbox: StripeSandbox
) -> None:
    resume_id = (await member.write_resume())["id"]
    await member.pay(await member.checkout(payment_type="monthly"))
    await eventually_agree(member, resume_id, "subscription", "succeeded")
    page = await portal(member, deployment)
    subscription = await sandbox.subscription(page)
    await sandbox.press(page, "card", card="0341")
    await sandbox.control("renew", subscription=subscription)
    await eventually_agree(member, resume_id, "subscription", "failed", "succeeded")
    while await sandbox.status(subscription) == "past_due":
        await sandbox.control("retry", subscription=subscription)
    await eventually_agree(member, resume_id, "free", "failed", "succeeded")
    assert (await member.get(SUBSCRIPTION))["status"] == "canceled"


async def test_failed_renewal_can_be_paid_later(
    member: Visitor, deployment: Deployment, sandbox: StripeSandbox
) -> None:
    await member.pay(await member.checkout(payment_type="yearly"))
    await eventually_profile(member, True, "yearly")
    page = await portal(member, deployment)
    subscription = await sandbox.subscription(page)
    await sandbox.press(page, "card", card="0341")
    await sandbox.control("renew", subscription=subscription)

    async def is_past_due() -> bool:
        return bool((await member.get(SUBSCRIPTION))["status"] == "past_due")

    await eventually(is_past_due)
    assert (await member.get(PROFILE))["is_premium"]
    await sandbox.press(page, "card", card="4242")
    await sandbox.control("retry", subscription=subscription)

    async def is_active() -> bool:
        return bool((await member.get(SUBSCRIPTION))["status"] == "active")

    await eventually(is_active)


async def test_account_takes_over_anonymous_purchases(marie: Visitor) -> None:
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


async def test_refund_revokes_the_payment(member: Visitor, sandbox: StripeSandbox) -> None:
    resume = await member.write_resume()
    await member.pay(await member.checkout(resume["id"]))
    await eventually_exports(member, resume, watermark=False)
    await sandbox.control("refund", charge=await sandbox.newest_charge())
    await eventually_exports(member, resume, watermark=True)
    [payment] = await member.get("/api/payments/")
    assert (payment["status"], payment["amount_refunded"]) == ("refunded", "4.99")


async def test_partial_refund_revokes_nothing(member: Visitor, sandbox: StripeSandbox) -> None:
    resume_id = (await member.write_resume())["id"]
    await member.pay(await member.checkout(resume_id))
    await eventually_agree(member, resume_id, "single", "succeeded")
    await sandbox.control("refund", charge=await sandbox.newest_charge(), amount=100)

    async def shows_the_refund() -> bool:
        [payment] = await member.get("/api/payments/")
        return bool(payment["amount_refunded"] == "1.00")

    await eventually(shows_the_refund)
    await eventually_agree(member, resume_id, "single", "succeeded")


async def test_second_payment_for_a_resume_is_refunded(member: Visitor, deployment: Deployment) -> None:
    """Two tabs, one of them logged out, have different payment pages for the resume."""
    resume_id = (await member.write_resume())["id"]
    async with Visitor(deployment.public_url) as tab:
        pages = await member.checkout(resume_id), await tab.checkout(resume_id)
        await member.pay(pages[0])
        await eventually_agree(member, resume_id, "single", "succeeded")
        await tab.pay(pages[1])

        async def is_refunded() -> bool:
            return [each["status"] for each in await tab.get("/api/payments/")] == ["refunded"]

        await eventually(is_refunded)
    await eventually_agree(member, resume_id, "single", "succeeded")


async def test_payment_for_a_deleted_resume_is_refunded(
    member: Visitor, deployment: Deployment, sandbox: StripeSandbox
) -> None:
    resume_id = (await member.write_resume())["id"]
    page = await member.checkout(resume_id)
    async with Visitor(deployment.public_url) as tab:
        other_page = await tab.checkout(resume_id)
    await sandbox.control("delivery", hold=True)
    try:
        await member.pay(page)
        assert (await member.request("DELETE", f"/api/resumes/{resume_id}/")).status_code == 204

        async def is_expired() -> bool:
            return await sandbox.page_status(other_page) == "expired"

        await eventually(is_expired)
    finally:
        await sandbox.control("delivery", hold=False)
        await sandbox.control("release")

    async def is_refunded() -> bool:
        [payment] = await member.get("/api/payments/")
        return (payment["status"], payment["amount_refunded"]) == ("refunded", "4.99")

    await eventually(is_refunded)
    assert not (await member.get(PROFILE))["is_premium"]


@pytest.mark.parametrize("payment_type", ["single", "monthly"])
async def test_lost_dispute_revokes_the_payment(member: Visitor, sandbox: StripeSandbox, payment_type: str) -> None:
    resume_id = (await member.write_resume())["id"]
    await member.pay(await member.checkout(resume_id if payment_type == "single" else None, payment_type))
    paid_by = "single" if payment_type == "single" else "subscription"
    await eventually_agree(member, resume_id, paid_by, "succeeded")
    dispute = await sandbox.control("dispute", charge=await sandbox.newest_charge())
    await eventually_agree(member, resume_id, "free", "succeeded")
    await sandbox.control("move-dispute", dispute=dispute["id"], status="lost")
    await eventually_agree(member, resume_id, "free", "refunded")


async def test_won_dispute_restores_the_payment(member: Visitor, sandbox: StripeSandbox) -> None:
    resume = await member.write_resume()
    await member.pay(await member.checkout(resume["id"]))
    await eventually_exports(member, resume, watermark=False)
    dispute = await sandbox.control("dispute", charge=await sandbox.newest_charge())
    await eventually_exports(member, resume, watermark=True)
    await sandbox.control("move-dispute", dispute=dispute["id"], status="won")
    await eventually_exports(member, resume, watermark=False)


async def test_deleted_account_has_no_data_and_no_subscription(
    member: Visitor, deployment: Deployment, sandbox: StripeSandbox
) -> None:
    resume = await member.write_resume()
    await member.pay(await member.checkout(payment_type="monthly"))
    profile = await eventually_profile(member, True, "monthly")
    subscription = await sandbox.subscription(await portal(member, deployment))
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
        return await sandbox.status(subscription) == "canceled"

    await eventually(is_canceled)
