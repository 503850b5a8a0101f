"""A thousand concurrent webhooks with duplicates and forgeries: all are answered, each event takes effect once."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import httpx
import pytest

from tests.integration.deployments import Deployment
from tests.integration.stripe_sandbox import StripeSandbox, signed
from tests.integration.visitor import Visitor, eventually

pytestmark = pytest.mark.operations

WEBHOOKS, FORGED = 1_000, 100
RESUMES, MEMBERS = 15, 8

Buyers = list[tuple[Visitor, dict[str, Any]]]


@pytest.fixture
async def sandbox(deployment: Deployment) -> AsyncIterator[StripeSandbox]:
    """Yield the Stripe sandbox, which holds its webhooks back until the test is over."""
    async with StripeSandbox(deployment.stripe_url, deployment.stripe_api_key()) as sandbox:
        await sandbox.control("delivery", hold=True)
        yield sandbox
        await sandbox.control("delivery", hold=False)
        await sandbox.control("release")


@pytest.fixture
async def members(deployment: Deployment) -> AsyncIterator[Buyers]:
    """Visitors with an account and a resume each."""
    async with AsyncExitStack() as stack:

        async def join() -> tuple[Visitor, dict[str, Any]]:
            visitor = await stack.enter_async_context(Visitor(deployment.public_url))
            user = await visitor.register()
            await visitor.login(user["email"])
            return visitor, await visitor.write_resume()

        yield [await join() for _ in range(MEMBERS)]


async def send_all(public_url: str, webhooks: list[tuple[bytes, str]]) -> list[int]:
    """Send webhooks concurrently, each on its own connection. Returns the status codes."""
    limits = httpx.Limits(max_connections=len(webhooks))
    async with httpx.AsyncClient(base_url=public_url, timeout=60, limits=limits) as stripe:

        async def send(body: bytes, signature: str) -> int:
            headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
            return (await stripe.post("/api/payments/webhook/", content=body, headers=headers)).status_code

        return await asyncio.gather(*(send(*webhook) for webhook in webhooks))


async def test_concurrent_webhooks_take_effect_exactly_once(
    marie: Visitor, members: Buyers, deployment: Deployment, sandbox: StripeSandbox
) -> None:
    resumes = [await marie.write_resume() for _ in range(RESUMES)]
    for resume in resumes:
        await marie.pay(await marie.checkout(resume["id"]))
    for member, _ in members:
        await member.pay(await member.checkout(payment_type="monthly"))
    events = await sandbox.held_events()
    secret = deployment.stripe_webhook_secret()

    genuine = [signed(events[number % len(events)], secret) for number in range(WEBHOOKS - FORGED)]
    forged = [signed(events[number % len(events)], "whsec_of_somebody_else") for number in range(FORGED)]
    sent = [(200, webhook) for webhook in genuine] + [(400, webhook) for webhook in forged]
    random.shuffle(sent)
    statuses = await send_all(deployment.public_url, [webhook for _, webhook in sent])
    assert Counter(zip((expected for expected, _ in sent), statuses, strict=True)) == {
        (200, 200): WEBHOOKS - FORGED,
        (400, 400): FORGED,
    }

    await eventually(partial(are_bought, marie, resumes))
    for each in members:
        await eventually(partial(is_subscribed, *each))
    await sandbox.control("release")
    await eventually(sandbox.is_idle)
    assert await are_bought(marie, resumes)
    assert all([await is_subscribed(*each) for each in members])


async def are_bought(visitor: Visitor, resumes: list[dict[str, Any]]) -> bool:
    """Return whether payments lists exactly one payment for each resume, and resumes shows each as paid."""
    wanted = sorted(resume["id"] for resume in resumes)
    payments = [(each["resume_id"], each["status"]) for each in await visitor.get("/api/payments/")]
    shown = [(each["id"], each["is_paid"], each["payment_type"]) for each in await visitor.get("/api/resumes/")]
    return sorted(payments) == [(each, "succeeded") for each in wanted] and sorted(shown) == [
        (each, True, "single") for each in wanted
    ]


async def is_subscribed(member: Visitor, resume: dict[str, Any]) -> bool:
    """Return whether payments, resumes and auth show a monthly subscription that was paid once."""
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
