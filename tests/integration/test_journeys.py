"""What a person does, through the gateway of a running system, with every part real but Stripe, which stands in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from tests.integration.deployments import Deployment
from tests.integration.visitor import Visitor, eventually, expect

WATERMARK = "CV Builder aperçu"
THREE_PAGES = [
    {
        "company": f"Agence {number}",
        "position": "Cheffe de projet",
        "start_date": f"{2000 + number}-01-01",
        "end_date": f"{2000 + number}-12-31",
        "description": "Gestion de projets web complexes pour grands comptes. " * 12,
    }
    for number in range(12)
]


def pages_with_watermark(pdf: PdfReader) -> list[bool]:
    return [WATERMARK in page.extract_text() for page in pdf.pages]


async def test_from_the_first_look_to_a_paid_resume_in_an_account(marie: Visitor) -> None:
    templates = await marie.get("/api/templates/")
    assert [template["name"] for template in templates] == [
        "Modern Professional", "Creative Designer", "Executive Elite",
    ]  # fmt: skip
    premium = next(template["id"] for template in templates if template["is_premium"])

    resume = await marie.write_resume(template=premium)
    assert resume["user"] is None
    assert resume["session_id"] is not None
    path = f"/api/resumes/{resume['id']}/"
    saved = await marie.request("PATCH", path, json={"title": "Cheffe de projet", "experience_data": THREE_PAGES})
    assert saved.status_code == 200
    assert (await marie.get(path))["title"] == "Cheffe de projet"

    has_watermark, pdf = await marie.export(resume["id"])
    assert has_watermark
    assert len(pdf.pages) >= 3
    assert all(pages_with_watermark(pdf))

    await marie.pay(await marie.checkout(resume["id"]))

    async def paid() -> bool:
        return bool((await marie.get(path))["is_paid"])

    await eventually(paid)
    has_watermark, pdf = await marie.export(resume["id"])
    assert not has_watermark
    assert not any(pages_with_watermark(pdf))
    assert "Marie Dubois" in pdf.pages[0].extract_text()

    user = await marie.register()
    assert "sessionid" not in marie.cookies
    await marie.login(user["email"])
    mine = await marie.get("/api/resumes/")
    assert [(found["id"], found["user"], found["session_id"]) for found in mine] == [(resume["id"], user["id"], None)]
    assert (mine[0]["is_paid"], mine[0]["payment_type"]) == (True, "single")


async def test_payment_reaches_the_resume_although_the_bus_was_killed(marie: Visitor, deployment: Deployment) -> None:
    resume = await marie.write_resume()
    url = await marie.checkout(resume["id"])
    await asyncio.to_thread(deployment.take_down, "nats")
    try:
        await marie.pay(url)
        assert (await marie.export(resume["id"]))[0]
    finally:
        await asyncio.to_thread(deployment.bring_up, "nats")
    await eventually_paid_once(marie, resume)


@pytest.mark.parametrize("name", ["nats", "payments", "resumes", "auth", "templates", "renderer", "gateway"])
async def test_whoever_is_killed_as_the_webhook_comes_nothing_is_lost_or_doubled(
    marie: Visitor, deployment: Deployment, name: str
) -> None:
    resume = await marie.write_resume()
    url = await marie.checkout(resume["id"])
    async with webhooks_held(deployment) as release:
        await marie.pay(url)
        assert not (await marie.get(f"/api/resumes/{resume['id']}/"))["is_paid"]
        await release()
        await asyncio.to_thread(deployment.kill, name)
    await eventually_paid_once(marie, resume)
    await eventually_in_an_account(marie, resume)


@pytest.mark.parametrize("name", ["payments", "gateway", "postgres"])
async def test_whoever_is_down_when_the_webhook_comes_hears_of_it_later(
    marie: Visitor, deployment: Deployment, name: str
) -> None:
    resume = await marie.write_resume()
    url = await marie.checkout(resume["id"])
    await asyncio.to_thread(deployment.kill, name)
    await marie.pay(url)
    await eventually_paid_once(marie, resume)


@pytest.mark.parametrize(("down", "killed"), [("nats", "payments"), ("resumes", "nats"), ("resumes", "payments")])
async def test_what_is_paid_but_not_told_survives_a_crash(
    marie: Visitor, deployment: Deployment, down: str, killed: str
) -> None:
    """Payments has taken the webhook and answered it; whoever carries the news then, or is to hear it, is gone."""
    resume = await marie.write_resume()
    url = await marie.checkout(resume["id"])

    async def is_taken() -> bool:
        return [each["status"] for each in await marie.get("/api/payments/")] == ["succeeded"]

    await asyncio.to_thread(deployment.take_down, down)
    try:
        await marie.pay(url)
        await eventually(is_taken)
        await asyncio.to_thread(deployment.kill, killed)
    finally:
        await asyncio.to_thread(deployment.bring_up, down)
    await eventually_paid_once(marie, resume)
    await eventually_in_an_account(marie, resume)


async def test_what_was_saved_survives_a_crash_of_the_database(marie: Visitor, deployment: Deployment) -> None:
    resume = await marie.write_resume(title="Avant")
    path = f"/api/resumes/{resume['id']}/"
    saved = await marie.request("PATCH", path, json={"title": "Après"})
    assert saved.status_code == 200
    await asyncio.to_thread(deployment.kill, "postgres")

    async def found() -> bool:
        return bool((await marie.get(path))["title"] == "Après")

    await eventually(found)


@asynccontextmanager
async def webhooks_held(deployment: Deployment) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Stripe's stand-in keeps its webhooks until the function it yields is called."""
    async with httpx.AsyncClient(base_url=f"{deployment.stripe_url}/sandbox", timeout=30) as stripe:

        async def turn(knob: str, **how: Any) -> None:
            expect(await stripe.post(f"/{knob}", json=how), 200)

        async def release() -> None:
            await turn("delivery", hold=False)
            await turn("release")

        await turn("delivery", hold=True)
        try:
            yield release
        finally:
            await release()


async def eventually_paid_once(marie: Visitor, resume: dict[str, Any]) -> None:
    """The resume ends up bought by one payment, exports clean, is still one, and a second purchase is refused."""

    async def exports_clean() -> bool:
        return not (await marie.export(resume["id"]))[0]

    async def is_refused() -> bool:
        body = {
            "payment_type": "single", "resume_id": resume["id"],
            "success_url": "http://localhost:3000/success", "cancel_url": "http://localhost:3000/cancel",
        }  # fmt: skip
        again = await marie.request("POST", "/api/payments/create-checkout/", json=body)
        return (again.status_code, list(again.json())) == (400, ["resume_id"])

    async def is_one_payment() -> bool:
        payments = await marie.get("/api/payments/")
        return [(each["resume_id"], each["status"]) for each in payments] == [(resume["id"], "succeeded")]

    await eventually(exports_clean)
    await eventually(is_refused)
    await eventually(is_one_payment)
    mine = await marie.get("/api/resumes/")
    assert [(found["id"], found["payment_type"]) for found in mine] == [(resume["id"], "single")]


async def eventually_in_an_account(marie: Visitor, resume: dict[str, Any]) -> None:
    """The visitor registers, and finds the resume in the account."""

    async def auth_answers() -> bool:
        return (await marie.request("POST", "/api/auth/refresh/", json={})).status_code == 400

    await eventually(auth_answers)
    user = await marie.register()
    await marie.login(user["email"])

    async def is_mine() -> bool:
        found = await marie.get("/api/resumes/")
        return [(each["id"], each["user"], each["is_paid"]) for each in found] == [(resume["id"], user["id"], True)]

    await eventually(is_mine)
