"""Polls of a checkout when webhooks are lost."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cv_payments.main import app
from cv_testing.serving import eventually, serving
from stripe import Subscription

from services.payments.tests.conftest import Environment
from services.payments.tests.system import SUCCESS, System, event


@pytest.fixture(autouse=True)
async def webhooks_are_lost(system: System) -> None:
    await system.control("delivery", drop=["*"])


class Buyer:
    """An account with an open page, whose browser polls its checkout."""

    def __init__(self, system: System, **requested: Any) -> None:
        self.system = system
        self.user_id = system.new_id()
        self.headers = system.keys.user("payments", self.user_id)
        self.requested = requested
        self.page = ""
        self.session_id = ""

    async def begin(self) -> "Buyer":
        self.page = await self.system.checkout_page(self.headers, **self.requested)
        self.session_id = self.system.session_at(self.page).id
        return self

    async def status(self) -> str:
        return str((await self.system.get(f"checkout/{self.session_id}/", self.headers))["status"])

    async def sees(self, status: str) -> None:
        async def is_so() -> bool:
            return await self.status() == status

        await eventually(is_so)

    async def listed(self) -> list[tuple[str, str]]:
        return [(each["status"], each["amount"]) for each in await self.system.get("", self.headers)]

    def last_polled(self, seconds_ago: int) -> None:
        """Set the time of the last poll at Stripe; negative values are in the future."""
        asked = "update checkouts set polled_at = now() - make_interval(secs => %s)"
        assert self.system.row(f"{asked} where stripe_session_id = %s returning id", seconds_ago, self.session_id)


def change_session(sandbox_folder: Path, session_id: str, field: str, value: object) -> None:
    """Change a field of a session at Stripe."""
    with closing(sqlite3.connect(sandbox_folder / "stripe.sqlite3")) as database:
        update = "update objects set body = json_set(body, ?, ?) where id = ?"
        database.execute(update, (f"$.{field}", value, session_id))
        database.commit()


async def single(system: System) -> Buyer:
    return await Buyer(system, payment_type="single", resume_id=system.new_resume()).begin()


async def test_poll_finds_a_payment(system: System) -> None:
    buyer = await single(system)
    await system.press(buyer.page)
    await buyer.sees("succeeded")
    assert await buyer.listed() == [("succeeded", "4.99")]
    await eventually(lambda: system.published_paid(buyer.requested["resume_id"]) == [True])


@pytest.mark.parametrize(("plan", "amount"), [("monthly", "9.99"), ("yearly", "99.99")])
async def test_poll_finds_a_subscription_and_its_payment(system: System, plan: str, amount: str) -> None:
    buyer = await Buyer(system, payment_type=plan).begin()
    await system.press(buyer.page)
    await buyer.sees("succeeded")
    assert await buyer.listed() == [("succeeded", amount)]
    assert (await system.get("subscription/", buyer.headers))["is_entitled"]
    await eventually(lambda: system.summary(user_id=buyer.user_id) is not None)


@pytest.mark.parametrize("requested", [{"payment_type": "single"}, {"payment_type": "monthly"}])
async def test_poll_finds_an_expired_session(system: System, requested: dict[str, Any]) -> None:
    resume = {"resume_id": system.new_resume()} if requested["payment_type"] == "single" else {}
    buyer = await Buyer(system, **requested, **resume).begin()
    await buyer.sees("pending")
    await system.control("expire", session=buyer.session_id)
    buyer.last_polled(4)
    await buyer.sees("failed")
    assert await buyer.listed() == []


@pytest.mark.parametrize(("arrived", "status"), [(True, "succeeded"), (False, "failed")])
async def test_poll_finds_the_outcome_of_a_delayed_payment(system: System, arrived: bool, status: str) -> None:
    buyer = await single(system)
    await system.press(buyer.page, "pay-later")
    await buyer.sees("pending")
    assert await buyer.listed() == [("pending", "4.99")]
    await system.control("settle", session=buyer.session_id, arrived=arrived)
    buyer.last_polled(4)
    await buyer.sees(status)
    assert await buyer.listed() == [(status, "4.99")]


async def test_finished_checkout_is_not_polled_again(system: System) -> None:
    buyer = await single(system)
    await system.press(buyer.page)
    await buyer.sees("succeeded")
    buyer.last_polled(4)
    await system.control("fault", method="GET", path=f"/v1/checkout/sessions/{buyer.session_id}", status=429)
    await buyer.sees("succeeded")
    assert await faults(system) == 1


async def test_replicas_share_one_limit(system: System, environment: Environment) -> None:
    """Stripe is asked once in three seconds, whichever replica is polled."""
    buyer = await single(system)
    await system.control("fault", method="GET", path=f"/v1/checkout/sessions/{buyer.session_id}", times=9, status=429)

    buyer.last_polled(-3600)
    await eventually(system.all_webhooks_processed)  # the replica would take events of earlier tests and leave them
    async with serving(app, environment(DATABASE_URL=system.database_url, RESUMES_URL=system.resumes_url)) as replica:
        for client in (system.payments, replica):
            answer = await client.get(f"/api/payments/checkout/{buyer.session_id}/", headers=buyer.headers)
            assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    assert await faults(system) == 9
    buyer.last_polled(4)
    await buyer.sees("pending")
    assert await faults(system) == 8


async def faults(system: System) -> int:
    """Return how many faults are left."""
    return sum(fault["times"] for fault in (await system.sandbox.get("/sandbox/knobs")).json()["faults"])


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 400}, {"status": 429}, {"delay": 5}])
async def test_poll_during_a_stripe_error_shows_the_stored_state(system: System, fault: dict[str, Any]) -> None:
    buyer = await single(system)
    await system.press(buyer.page)
    await system.control("fault", method="GET", path="/v1/checkout/sessions/", times=9, **fault)
    assert await buyer.status() == "pending"
    await system.control("clear-faults")
    buyer.last_polled(4)
    await buyer.sees("succeeded")


@pytest.mark.parametrize(
    ("changed", "wrong", "right", "outcome"),
    [("amount_subtotal", 1, 499, "quarantined"), ("client_reference_id", None, "", "ignored")],
)
async def test_mismatched_paid_checkout_stays_pending_for_polls(
    system: System, sandbox_folder: Path, changed: str, wrong: object, right: object, outcome: str
) -> None:
    """The buyer has paid and must not pay again. An operator looks at the event."""
    buyer = await single(system)
    await system.press(buyer.page)
    right = right or system.session_at(buyer.page).client_reference_id

    change_session(sandbox_folder, buyer.session_id, changed, wrong)
    stripe_event = event("checkout.session.completed", buyer.session_id)
    assert await buyer.status() == "pending"
    await system.deliver(stripe_event)
    buyer.last_polled(4)
    assert await buyer.status() == "pending"
    assert system.stored_event(stripe_event["id"])["outcome"] == outcome
    assert await buyer.listed() == [("pending", "4.99")]
    change_session(sandbox_folder, buyer.session_id, changed, right)
    buyer.last_polled(4)
    await buyer.sees("succeeded")


async def test_mismatched_paid_checkout_stays_pending_after_another_request(
    system: System, sandbox_folder: Path
) -> None:
    buyer = await single(system)
    await system.press(buyer.page)
    change_session(sandbox_folder, buyer.session_id, "amount_subtotal", 1)
    assert (await system.checkout(buyer.headers, **buyer.requested, cancel_url=SUCCESS)).status_code == 503
    assert await buyer.listed() == [("pending", "4.99")]
    change_session(sandbox_folder, buyer.session_id, "amount_subtotal", 499)
    buyer.last_polled(4)
    await buyer.sees("succeeded")


async def test_poll_of_another_owners_checkout_does_nothing(system: System) -> None:
    buyer = await single(system)
    await system.press(buyer.page)
    assert await system.get(f"checkout/{buyer.session_id}/", system.new_user()) is None
    assert system.payment_of(buyer.page)["status"] == "pending"


async def test_late_webhook_changes_nothing(system: System) -> None:
    buyer = await Buyer(system, payment_type="monthly").begin()
    await system.control("delivery", drop=[], hold=True)
    await system.press(buyer.page)
    await buyer.sees("succeeded")
    begun = system.session_at(buyer.page).subscription
    assert isinstance(begun, Subscription)
    await system.control("delivery", hold=False)
    await system.control("release")
    processed = (
        "select count(distinct object_id) as objects from stripe_events"
        " where object_id in (%s, %s, %s) and outcome = 'done'"
    )
    objects = (buyer.session_id, begun.id, str(begun.latest_invoice))
    await eventually(lambda: system.row(processed, *objects) == {"objects": 3})
    assert await buyer.listed() == [("succeeded", "9.99")]
    assert system.stripe.v1.subscriptions.retrieve(begun.id).status == "active"
