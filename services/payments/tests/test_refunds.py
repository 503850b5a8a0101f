"""Refunds and disputes of a resume's payment."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from cv_common.messaging.events import ResumeDeleted
from cv_testing.serving import eventually
from stripe import Charge, PaymentIntent

from services.payments.tests.conftest import Operator
from services.payments.tests.system import System, event


class Bought:
    """A paid resume."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.headers = system.new_user()
        self.resume_id = system.new_resume()
        self.page = ""

    async def pay(self) -> None:
        self.page = await self.system.single_page(self.headers, self.resume_id)
        await self.system.press(self.page)

    @property
    def charge(self) -> Charge:
        return self.system.charge_at(self.page)

    async def has(self, status: str, *published: bool) -> None:
        """Wait until the payment has this status and these values of `paid` were published."""

        async def is_so() -> bool:
            [payment] = await self.system.get("", self.headers)
            return bool(payment["status"] == status)

        await eventually(is_so)
        await eventually(lambda: self.system.published_paid(self.resume_id) == list(published))


@pytest.fixture
async def bought(system: System) -> Bought:
    it = Bought(system)
    await it.pay()
    await it.has("succeeded", True)
    return it


async def test_full_refund_makes_the_resume_unpaid(bought: Bought) -> None:
    await bought.system.control("refund", charge=bought.charge.id)
    await bought.has("refunded", True, False)
    await bought.pay()
    await eventually(lambda: bought.system.published_paid(bought.resume_id) == [True, False, True])


async def test_partial_refund_leaves_the_resume_paid(bought: Bought) -> None:
    await bought.system.control("refund", charge=bought.charge.id, amount=100)

    async def is_so() -> bool:
        [payment] = await bought.system.get("", bought.headers)
        return (payment["status"], payment["amount_refunded"]) == ("succeeded", "1.00")

    await eventually(is_so)
    assert bought.system.published_paid(bought.resume_id) == [True]
    await bought.system.control("refund", charge=bought.charge.id)
    await bought.has("refunded", True, False)


async def test_failed_refund_makes_the_resume_paid_again(bought: Bought) -> None:
    refund = await bought.system.control("refund", charge=bought.charge.id)
    await bought.has("refunded", True, False)
    await bought.system.control("fail-refund", refund=refund["id"])
    await bought.has("succeeded", True, False, True)


async def test_failed_refund_that_the_service_ordered_needs_an_operator(system: System, operator: Operator) -> None:
    """Health reports it. A retry of the dead call orders a new refund."""
    bought = Bought(system)
    await system.control("delivery", hold=True)
    await bought.pay()
    await system.publish(ResumeDeleted(resume_id=bought.resume_id, revision=1))
    await eventually(
        lambda: system.row("select id from resumes where id = %s and deleted_at is not null", bought.resume_id)
    )
    await system.control("delivery", hold=False)
    await system.control("release")
    await bought.has("refunded")
    [refund] = system.stripe.v1.refunds.list({"charge": bought.charge.id}).data
    await system.control("fail-refund", refund=refund.id)
    await bought.has("succeeded")
    stuck = "select key, error from stripe_calls where action = 'refund' and outcome = 'dead' and key like %s"
    await eventually(lambda: system.row(stuck, f"%{refund.id}"))
    dead = system.row(stuck, f"%{refund.id}")
    assert "failed at the bank" in dead["error"]
    assert "calls to Stripe failed for good" in (await system.payments.get("/healthz")).text
    assert (await operator("calls", "retry", dead["key"]))[0] == 0
    await bought.has("refunded")
    await system.deliver(event("refund.failed", refund.id))
    assert system.row(stuck, f"%{refund.id}") == {}


@pytest.mark.parametrize("status", [500, 400])
async def test_refund_is_retried_with_a_new_idempotency_key(system: System, status: int) -> None:
    """Stripe repeats its answer to the same key."""
    resume_id = system.new_resume()
    pages = [await system.single_page(system.new_user(), resume_id) for _ in range(2)]
    await system.control("fault", path="/v1/refunds", status=status)
    await asyncio.gather(*(system.press(page) for page in pages))
    await eventually(lambda: sorted(system.refunded_amount(page) for page in pages) == [0, 499])


async def test_inquiry_changes_nothing(bought: Bought) -> None:
    dispute = await bought.system.control("dispute", charge=bought.charge.id, status="warning_needs_response")
    await eventually(bought.system.all_webhooks_processed)
    [payment] = await bought.system.get("", bought.headers)
    assert "is_disputed" not in payment
    await bought.system.control("move-dispute", dispute=dispute["id"], status="warning_closed")
    await bought.has("succeeded", True)


@pytest.mark.parametrize(("end", "status", "published"), [("won", "succeeded", [True]), ("lost", "refunded", [])])
async def test_dispute_suspends_the_payment_until_it_ends(
    bought: Bought, end: str, status: str, published: list[bool]
) -> None:
    dispute = await bought.system.control("dispute", charge=bought.charge.id)
    await bought.has("succeeded", True, False)
    [payment] = await bought.system.get("", bought.headers)
    assert payment["is_disputed"] is True
    await bought.system.control("move-dispute", dispute=dispute["id"], status="under_review")
    await bought.system.control("move-dispute", dispute=dispute["id"], status=end)
    await bought.has(status, True, False, *published)
    [payment] = await bought.system.get("", bought.headers)
    assert "is_disputed" not in payment


@pytest.mark.parametrize(("end", "status", "published"), [("won", "succeeded", [True]), ("lost", "refunded", [])])
async def test_open_one_of_two_disputes_suspends(bought: Bought, end: str, status: str, published: list[bool]) -> None:
    """The second dispute ends first, so the first one decides."""
    first = await bought.system.control("dispute", charge=bought.charge.id)
    second = await bought.system.control("dispute", charge=bought.charge.id)
    await bought.has("succeeded", True, False)
    await bought.system.control("move-dispute", dispute=second["id"], status="won")
    await eventually(bought.system.all_webhooks_processed)
    await bought.has("succeeded", True, False)
    [payment] = await bought.system.get("", bought.headers)
    assert payment["is_disputed"] is True
    await bought.system.control("move-dispute", dispute=first["id"], status=end)
    await bought.has(status, True, False, *published)


async def refund(bought: Bought) -> dict[str, str]:
    await bought.system.control("refund", charge=bought.charge.id)
    return {"charge.refunded": bought.charge.id}


async def refund_seen_as_refund(bought: Bought) -> dict[str, str]:
    made = await bought.system.control("refund", charge=bought.charge.id)
    return {"refund.updated": made["id"]}


async def dispute(bought: Bought) -> dict[str, str]:
    made = await bought.system.control("dispute", charge=bought.charge.id)
    await bought.system.control("move-dispute", dispute=made["id"], status="lost")
    return {"charge.dispute.closed": made["id"]}


@pytest.mark.parametrize("undo", [refund, refund_seen_as_refund, dispute])
async def test_refund_or_dispute_before_the_event_of_the_payment(
    system: System, undo: Callable[[Bought], Awaitable[dict[str, str]]]
) -> None:
    """The event of the refund comes first: the payment is fetched from Stripe."""
    bought = Bought(system)
    await system.control("delivery", drop=["*"])
    await bought.pay()
    [(kind, object_id)] = (await undo(bought)).items()
    assert (await system.deliver(event(kind, object_id))).status_code == 200
    await bought.has("refunded")
    await system.deliver(event("checkout.session.completed", system.session_at(bought.page).id))
    await bought.has("refunded")
    await system.control("delivery", drop=[])
    await bought.pay()  # the first event about the resume
    await eventually(lambda: system.published_paid(bought.resume_id) == [True])


async def test_foreign_charge_is_ignored(system: System) -> None:
    session = system.stripe.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [
                {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": 100, "product_data": {"name": "x"}}}
            ],
            "success_url": "https://example.com/",
        }
    )
    assert session.url is not None
    await system.press(session.url)
    intent = system.session_at(session.url).payment_intent
    assert isinstance(intent, PaymentIntent)
    assert isinstance(intent.latest_charge, Charge)
    stripe_event = event("charge.refunded", intent.latest_charge.id)
    assert (await system.deliver(stripe_event)).status_code == 200
    assert system.stored_event(stripe_event["id"])["outcome"] == "ignored"
