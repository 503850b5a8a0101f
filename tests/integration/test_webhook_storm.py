"""A thousand webhooks at once, each event many times and forgeries among them: all are answered, each counts once."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import httpx
import pytest

from tests.integration.bank import Bank, signed
from tests.integration.deployments import Deployment
from tests.integration.visitor import Visitor, eventually

AT_ONCE, FORGED = 1_000, 100
RESUMES, MEMBERS = 15, 8

Buyers = list[tuple[Visitor, dict[str, Any]]]


@pytest.fixture
async def bank(deployment: Deployment) -> AsyncIterator[Bank]:
    """Stripe's side, whose webhooks wait until the test is over."""
    async with Bank(deployment.stripe_url, deployment.stripe_api_key()) as bank:
        await bank.turn("delivery", hold=True)
        yield bank
        await bank.turn("delivery", hold=False)
        await bank.turn("release")


@pytest.fixture
async def members(deployment: Deployment) -> AsyncIterator[Buyers]:
    """People with an account and a resume each."""
    async with AsyncExitStack() as stack:

        async def join() -> tuple[Visitor, dict[str, Any]]:
            visitor = await stack.enter_async_context(Visitor(deployment.public_url))
            user = await visitor.register()
            await visitor.login(user["email"])
            return visitor, await visitor.write_resume()

        yield [await join() for _ in range(MEMBERS)]


async def send_all(public_url: str, webhooks: list[tuple[bytes, str]]) -> list[int]:
    """Send webhooks at the same time, each on a connection of its own; the statuses of the answers."""
    limits = httpx.Limits(max_connections=len(webhooks))
    async with httpx.AsyncClient(base_url=public_url, timeout=60, limits=limits) as stripe:

        async def send(body: bytes, signature: str) -> int:
            headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
            return (await stripe.post("/api/payments/webhook/", content=body, headers=headers)).status_code

        return await asyncio.gather(*(send(*webhook) for webhook in webhooks))


async def test_of_a_thousand_webhooks_at_once_none_is_lost_and_none_counts_twice(
    marie: Visitor, members: Buyers, deployment: Deployment, bank: Bank
) -> None:
    resumes = [await marie.write_resume() for _ in range(RESUMES)]
    for resume in resumes:
        await marie.pay(await marie.checkout(resume["id"]))
    for member, _ in members:
        await member.pay(await member.checkout(payment_type="monthly"))
    events = await bank.held_events()
    secret = deployment.stripe_webhook_secret()

    genuine = [signed(events[number % len(events)], secret) for number in range(AT_ONCE - FORGED)]
    forged = [signed(events[number % len(events)], "whsec_of_somebody_else") for number in range(FORGED)]
    sent = [(200, webhook) for webhook in genuine] + [(400, webhook) for webhook in forged]
    random.shuffle(sent)
    statuses = await send_all(deployment.public_url, [webhook for _, webhook in sent])
    assert Counter(zip((expected for expected, _ in sent), statuses, strict=True)) == {
        (200, 200): AT_ONCE - FORGED,
        (400, 400): FORGED,
    }

    await eventually(partial(are_bought, marie, resumes))
    for each in members:
        await eventually(partial(is_subscribed, *each))
    await bank.turn("release")
    await eventually(bank.is_idle)
    assert await are_bought(marie, resumes)
    assert all([await is_subscribed(*each) for each in members])


async def are_bought(visitor: Visitor, resumes: list[dict[str, Any]]) -> bool:
    """Whether payments knows one payment for each resume and no other, and resumes shows each as bought."""
    wanted = sorted(resume["id"] for resume in resumes)
    payments = [(each["resume_id"], each["status"]) for each in await visitor.get("/api/payments/")]
    shown = [(each["id"], each["is_paid"], each["payment_type"]) for each in await visitor.get("/api/resumes/")]
    return sorted(payments) == [(each, "succeeded") for each in wanted] and sorted(shown) == [
        (each, True, "single") for each in wanted
    ]


async def is_subscribed(member: Visitor, resume: dict[str, Any]) -> bool:
    """Whether payments, resumes and auth agree that somebody pays by the month, and has paid once."""
    payments = [(each["payment_type"], each["status"]) for each in await member.get("/api/payments/")]
    subscription = await member.get("/api/payments/subscription/")
    profile = await member.get("/api/auth/profile/")
    shown = await member.get(f"/api/resumes/{resume['id']}/")
    return (
        payments == [("monthly", "succeeded")]
        and subscription["is_entitled"]
        and (profile["is_premium"], profile["subscription_type"]) == (True, "monthly")
        and (shown["is_paid"], shown["payment_type"]) == (True, "subscription")
    )
