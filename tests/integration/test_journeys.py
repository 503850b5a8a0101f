"""A visitor's journey through the gateway of a running system, also while programs crash. Only Stripe is a sandbox."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from cv_testing.workspace import SERVICES
from pypdf import PdfReader

from tests.integration.deployments import Deployment
from tests.integration.visitor import TLS, Visitor, eventually, expect

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


@pytest.fixture
def deployment(recovered_deployment: Deployment) -> Deployment:
    """Return the deployment: each test may crash its programs."""
    return recovered_deployment


def pages_with_watermark(pdf: PdfReader) -> list[bool]:
    return [WATERMARK in page.extract_text() for page in pdf.pages]


async def test_visitor_writes_pays_and_registers(marie: Visitor) -> None:
    templates = await marie.get("/api/templates/")
    documented = ["Modern Professional", "Creative Designer", "Executive Elite"]
    assert [template["name"] for template in templates[:3]] == documented
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


async def test_payment_during_an_outage_of_nats_reaches_the_resume(marie: Visitor, deployment: Deployment) -> None:
    resume = await marie.write_resume()
    url = await marie.checkout(resume["id"])
    await asyncio.to_thread(deployment.take_down, "nats")
    try:
        await marie.pay(url)
        assert (await marie.export(resume["id"]))[0]
    finally:
        await asyncio.to_thread(deployment.bring_up, "nats")
    await eventually_paid_once(marie, resume)


@pytest.mark.operations
@pytest.mark.parametrize("name", ["nats", "gateway", *SERVICES])
async def test_crash_during_the_webhook_loses_and_duplicates_nothing(
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
    await eventually_claimed(marie, resume)


@pytest.mark.operations
@pytest.mark.parametrize("name", ["payments", "gateway", "postgres"])
async def test_webhook_arrives_after_a_crash(marie: Visitor, deployment: Deployment, name: str) -> None:
    resume = await marie.write_resume()
    url = await marie.checkout(resume["id"])
    await asyncio.to_thread(deployment.kill, name)
    await marie.pay(url)
    await eventually_paid_once(marie, resume)


@pytest.mark.operations
@pytest.mark.parametrize(("down", "killed"), [("nats", "payments"), ("resumes", "nats"), ("resumes", "payments")])
async def test_unpublished_payment_survives_a_crash(
    marie: Visitor, deployment: Deployment, down: str, killed: str
) -> None:
    """Payments has answered the webhook. Then NATS or resumes is down, and another program crashes."""
    resume = await marie.write_resume()
    url = await marie.checkout(resume["id"])

    async def is_recorded() -> bool:
        return [each["status"] for each in await marie.get("/api/payments/")] == ["succeeded"]

    await asyncio.to_thread(deployment.take_down, down)
    try:
        await marie.pay(url)
        await eventually(is_recorded)
        await asyncio.to_thread(deployment.kill, killed)
    finally:
        await asyncio.to_thread(deployment.bring_up, down)
    await eventually_paid_once(marie, resume)
    await eventually_claimed(marie, resume)


@pytest.mark.operations
async def test_saved_resume_survives_a_crash_of_the_database(marie: Visitor, deployment: Deployment) -> None:
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
    """Hold the sandbox's webhooks back until the yielded function is called, or the block ends."""
    async with httpx.AsyncClient(base_url=f"{deployment.stripe_url}/sandbox", timeout=30, verify=TLS) as stripe:

        async def control(action: str, **options: Any) -> None:
            expect(await stripe.post(f"/{action}", json=options), 200)

        async def release() -> None:
            await control("delivery", hold=False)
            await control("release")

        await control("delivery", hold=True)
        try:
            yield release
        finally:
            await release()


async def eventually_paid_once(marie: Visitor, resume: dict[str, Any]) -> None:
    """Wait until the resume has one payment and exports without a watermark, and a second purchase is refused."""

    async def exports_without_watermark() -> bool:
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

    await eventually(exports_without_watermark)
    await eventually(is_refused)
    await eventually(is_one_payment)
    mine = await marie.get("/api/resumes/")
    assert [(found["id"], found["payment_type"]) for found in mine] == [(resume["id"], "single")]


async def eventually_claimed(marie: Visitor, resume: dict[str, Any]) -> None:
    """Register, and wait until the resume belongs to the account."""

    async def auth_is_ready() -> bool:
        return (await marie.request("POST", "/api/auth/refresh/", json={})).status_code == 400

    await eventually(auth_is_ready)
    user = await marie.register()
    await marie.login(user["email"])

    async def is_mine() -> bool:
        found = await marie.get("/api/resumes/")
        return [(each["id"], each["user"], each["is_paid"]) for each in found] == [(resume["id"], user["id"], True)]

    await eventually(is_mine)
