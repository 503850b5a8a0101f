"""Section 4 of the document, example by example, and annex B, prices."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cv_stack.system import System

from tests.contract.conftest import subscribe
from tests.contract.document import example
from tests.integration.deployments import Embedded
from tests.integration.stripe_sandbox import StripeSandbox, signed
from tests.integration.visitor import Visitor, eventually, expect

CHECKOUT, WEBHOOK = "/api/payments/create-checkout/", "/api/payments/webhook/"
STRIPE = "https://checkout.stripe.com"
PAGE = rf"{re.escape(STRIPE)}(/c)?/pay/cs_test_\w{{24,}}"
"""The example has an old URL; current ones have one more path segment."""
SIMILAR = {
    "customer.subscription.updated": "customer.subscription.created",
    "customer.subscription.deleted": "customer.subscription.created",
    "invoice.payment_failed": "invoice.payment_succeeded",
}
"""Events of an active subscription for those of other states: payments fetches the current state anyway."""


@pytest.fixture
async def sandbox(system: System) -> AsyncIterator[StripeSandbox]:
    """Yield the Stripe sandbox."""
    deployment = Embedded(system)
    async with StripeSandbox(deployment.stripe_url, deployment.stripe_api_key()) as sandbox:
        yield sandbox


@pytest.fixture
async def held_sandbox(sandbox: StripeSandbox) -> AsyncIterator[StripeSandbox]:
    """Yield the sandbox, which holds its webhooks back until the test is over."""
    await sandbox.control("delivery", hold=True)
    yield sandbox
    await sandbox.control("delivery", hold=False)
    await sandbox.control("release")


async def order(visitor: Visitor, body: Any) -> Any:
    return await visitor.request("POST", CHECKOUT, json=body)


async def page(visitor: Visitor, system: System, body: Any) -> str:
    """Create a checkout and check the documented response. Returns the URL of the sandbox's payment page."""
    answer = expect(await order(visitor, body), 200)
    documented = example("4.1 response")
    assert list(answer) == list(documented)
    for url in (documented["url"], answer["url"].replace(system.ports.stripe_url, STRIPE)):
        assert re.fullmatch(PAGE, url, re.ASCII), url
    return str(answer["url"])


async def pay(visitor: Visitor, url: str) -> str:
    """Pay. Returns the URL that the buyer is sent back to."""
    answer = await visitor.request("POST", f"{url}/pay")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def eventually_paid(visitor: Visitor, payment_type: str, amount: str, resume_id: int | None = None) -> None:
    """Wait until the visitor's only payment has arrived, and check it."""

    async def has_arrived() -> bool:
        return [each["status"] for each in await visitor.get("/api/payments/")] == ["succeeded"]

    await eventually(has_arrived)
    [payment] = await visitor.get("/api/payments/")
    bought = {name: payment[name] for name in ("payment_type", "resume_id", "amount", "currency")}
    assert bought == {"payment_type": payment_type, "resume_id": resume_id, "amount": amount, "currency": "EUR"}


async def test_4_1_single(visitor: Visitor, system: System) -> None:
    resume = await visitor.write_resume()
    body = example("4.1 request, single", resume_id=resume["id"])
    assert await pay(visitor, await page(visitor, system, body)) == body["success_url"]
    await eventually_paid(visitor, "single", "4.99", resume["id"])
    assert expect(await order(visitor, body), 400) == {"resume_id": [f"Resume with id {resume['id']} is already paid."]}


@pytest.mark.parametrize(("name", "amount"), [("4.1 request, monthly", "9.99"), ("4.1 request, yearly", "99.99")])
async def test_4_1_subscription(visitor: Visitor, system: System, name: str, amount: str) -> None:
    body = example(name)
    assert await pay(visitor, await page(visitor, system, body)) == body["success_url"]
    await eventually_paid(visitor, body["payment_type"], amount)

    async def is_subscribed() -> bool:
        return bool((await visitor.get("/api/payments/subscription/"))["subscription_type"] == body["payment_type"])

    await eventually(is_subscribed)


async def test_4_1_subscriber_is_sent_to_the_portal(subscriber: Visitor, system: System) -> None:
    # Ruling: one active subscription per owner.
    for name in ("4.1 request, monthly", "4.1 request, yearly"):
        answer = expect(await order(subscriber, example(name)), 200)
        assert list(answer) == list(example("4.1 response"))
        assert answer["url"].startswith(f"{system.ports.stripe_url}/p/session/")


async def test_4_1_user_creates_a_checkout(john: Visitor, system: System) -> None:
    resume = await john.write_resume()
    await page(john, system, example("4.1 request, single", resume_id=resume["id"]))
    await page(john, system, example("4.1 request, monthly"))


async def test_4_1_errors(visitor: Visitor) -> None:
    # An unknown resume, like number 999 in the document.
    nobodys = 999_999_999
    expected = example("4.1 errors")
    expected["resume_id"] = [text.replace("999", str(nobodys)) for text in expected["resume_id"]]
    body = example("4.1 request, single", resume_id=nobodys)
    assert expect(await order(visitor, body), 400) == {"resume_id": expected["resume_id"]}
    del body["payment_type"]
    assert expect(await order(visitor, body), 400) == expected
    assert "sessionid" not in visitor.cookies


@pytest.mark.parametrize("field", ["payment_type", "resume_id", "success_url", "cancel_url"])
async def test_4_1_required_fields(visitor: Visitor, field: str) -> None:
    resume = await visitor.write_resume()
    body = example("4.1 request, single", resume_id=resume["id"])
    del body[field]
    assert expect(await order(visitor, body), 400) == {field: ["This field is required."]}


@pytest.mark.parametrize("payment_type", ["free", "subscription", "Single"])
async def test_4_1_other_payment_types_are_refused(visitor: Visitor, payment_type: str) -> None:
    resume = await visitor.write_resume()
    body = example("4.1 request, single", resume_id=resume["id"], payment_type=payment_type)
    assert expect(await order(visitor, body), 400) == {"payment_type": [f'"{payment_type}" is not a valid choice.']}


async def send(visitor: Visitor, event: dict[str, Any], secret: str, **headers: str) -> Any:
    """Send a signed webhook, as Stripe does."""
    body, signature = signed(event, secret)
    sent = {"Content-Type": "application/json", "Stripe-Signature": signature, **headers}
    return await visitor.request("POST", WEBHOOK, content=body, headers=sent)


async def test_4_2_payment_by_webhook(visitor: Visitor, system: System, held_sandbox: StripeSandbox) -> None:
    resume = await visitor.write_resume()
    body = example("4.1 request, single", resume_id=resume["id"])
    await pay(visitor, await page(visitor, system, body))
    [told] = [event for event in await held_sandbox.held_events() if event["type"] == example("4.2 events")[0]]
    path = f"/api/resumes/{resume['id']}/"
    refused = await send(visitor, told, "whsec_of_somebody_else")
    assert list(expect(refused, 400)) == ["detail"]
    assert not (await visitor.get(path))["is_paid"]

    # The document exempts it from CSRF protection.
    answer = await send(visitor, told, Embedded(system).stripe_webhook_secret(), Origin="https://evil.example")
    assert expect(answer, 200) == example("4.2 response")

    async def is_paid() -> bool:
        return bool((await visitor.get(path))["is_paid"])

    await eventually(is_paid)


async def test_4_2_every_event(visitor: Visitor, stranger: Visitor, system: System, sandbox: StripeSandbox) -> None:
    await subscribe(visitor)
    secret = Embedded(system).stripe_webhook_secret()
    for event_type in (*example("4.2 events"), "customer.created"):
        newest = await sandbox.newest_event(SIMILAR.get(event_type, event_type))
        answer = await send(stranger, newest | {"id": f"{newest['id']}_{event_type}", "type": event_type}, secret)
        assert expect(answer, 200) == example("4.2 response"), event_type
    assert (await visitor.get("/api/payments/subscription/"))["status"] == "active"


@pytest.mark.parametrize("signature", [{}, {"Stripe-Signature": ""}, {"Stripe-Signature": "t=1,v1=0"}])
async def test_4_2_invalid_signature_is_refused(visitor: Visitor, signature: dict[str, str]) -> None:
    event = {"id": "evt_1", "object": "event", "type": "customer.created", "livemode": False, "data": {"object": {}}}
    answer = await visitor.request("POST", WEBHOOK, json=event, headers=signature)
    assert list(expect(answer, 400)) == ["detail"]
