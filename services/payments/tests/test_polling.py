"""A poll of a checkout finds out what no webhook says."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cv_testing.serving import eventually
from stripe import Subscription

from services.payments.tests.replica import Replica
from services.payments.tests.shop import Shop, event


@pytest.fixture(autouse=True)
async def webhooks_are_lost(shop: Shop) -> None:
    await shop.control("delivery", drop=["*"])


class Buyer:
    """An account with an open page, whose browser polls its checkout."""

    def __init__(self, shop: Shop, **wish: Any) -> None:
        self.shop = shop
        self.user_id = shop.number()
        self.headers = shop.keys.user("payments", self.user_id)
        self.wish = wish
        self.page = ""
        self.session_id = ""

    async def begin(self) -> "Buyer":
        self.page = await self.shop.page(self.headers, **self.wish)
        self.session_id = self.shop.session_at(self.page).id
        return self

    async def status(self) -> str:
        return str((await self.shop.mine(f"checkout/{self.session_id}/", self.headers))["status"])

    async def sees(self, status: str) -> None:
        async def is_so() -> bool:
            return await self.status() == status

        await eventually(is_so)

    async def listed(self) -> list[tuple[str, str]]:
        return [(each["status"], each["amount"]) for each in await self.shop.mine("", self.headers)]

    def last_polled(self, seconds_ago: int) -> None:
        """The last poll that asked Stripe was so long ago, or is in the future."""
        asked = "update checkouts set polled_at = now() - make_interval(secs => %s)"
        assert self.shop.row(f"{asked} where stripe_session_id = %s returning id", seconds_ago, self.session_id)


async def single(shop: Shop) -> Buyer:
    return await Buyer(shop, payment_type="single", resume_id=shop.resume()).begin()


async def test_a_payment_is_found(shop: Shop) -> None:
    buyer = await single(shop)
    await shop.press(buyer.page)
    await buyer.sees("succeeded")
    assert await buyer.listed() == [("succeeded", "4.99")]
    await eventually(lambda: shop.paid(buyer.wish["resume_id"]) == [True])


@pytest.mark.parametrize(("plan", "amount"), [("monthly", "9.99"), ("yearly", "99.99")])
async def test_a_subscription_is_found_with_its_payment(shop: Shop, plan: str, amount: str) -> None:
    buyer = await Buyer(shop, payment_type=plan).begin()
    await shop.press(buyer.page)
    await buyer.sees("succeeded")
    assert await buyer.listed() == [("succeeded", amount)]
    assert (await shop.mine("subscription/", buyer.headers))["is_entitled"]
    await eventually(lambda: shop.standing(user_id=buyer.user_id) is not None)


@pytest.mark.parametrize("wish", [{"payment_type": "single"}, {"payment_type": "monthly"}])
async def test_an_expired_session_is_found_and_is_no_payment(shop: Shop, wish: dict[str, Any]) -> None:
    resume = {"resume_id": shop.resume()} if wish["payment_type"] == "single" else {}
    buyer = await Buyer(shop, **wish, **resume).begin()
    await buyer.sees("pending")
    await shop.control("expire", session=buyer.session_id)
    buyer.last_polled(4)
    await buyer.sees("failed")
    assert await buyer.listed() == []


@pytest.mark.parametrize(("arrived", "status"), [(True, "succeeded"), (False, "failed")])
async def test_how_a_delayed_payment_ended_is_found(shop: Shop, arrived: bool, status: str) -> None:
    buyer = await single(shop)
    await shop.press(buyer.page, "pay-later")
    await buyer.sees("pending")
    assert await buyer.listed() == [("pending", "4.99")]
    await shop.control("settle", session=buyer.session_id, arrived=arrived)
    await buyer.sees(status)
    assert await buyer.listed() == [(status, "4.99")]


async def test_a_checkout_that_was_found_is_not_asked_for_again(shop: Shop) -> None:
    buyer = await single(shop)
    await shop.press(buyer.page)
    await buyer.sees("succeeded")
    buyer.last_polled(4)
    await shop.control("fault", method="GET", path=f"/v1/checkout/sessions/{buyer.session_id}", status=429)
    await buyer.sees("succeeded")
    assert await faults(shop) == 1


async def test_replicas_share_one_limit(shop: Shop, replica: Replica) -> None:
    """Whichever of them is polled, Stripe is asked once in a few seconds."""
    buyer = await single(shop)
    await shop.control("fault", method="GET", path=f"/v1/checkout/sessions/{buyer.session_id}", times=9, status=429)

    async def poll_both() -> None:
        for client in (shop.payments, replica.client):
            answer = await client.get(f"/api/payments/checkout/{buyer.session_id}/", headers=buyer.headers)
            assert (answer.status_code, answer.json()["status"]) == (200, "pending")

    buyer.last_polled(-3600)
    await poll_both()
    assert await faults(shop) == 9
    buyer.last_polled(4)
    await buyer.sees("pending")
    assert await faults(shop) == 8


async def faults(shop: Shop) -> int:
    """How many calls would still go wrong."""
    return sum(fault["times"] for fault in (await shop.sandbox.get("/sandbox/knobs")).json()["faults"])


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 400}, {"status": 429}, {"delay": 5}])
async def test_stripe_in_trouble_leaves_the_stored_state(shop: Shop, fault: dict[str, Any]) -> None:
    buyer = await single(shop)
    await shop.press(buyer.page)
    await shop.control("fault", method="GET", path="/v1/checkout/sessions/", times=9, **fault)
    assert await buyer.status() == "pending"
    await shop.control("clear-faults")
    await buyer.sees("succeeded")


@pytest.mark.parametrize(
    ("changed", "wrong", "right", "outcome"),
    [("amount_subtotal", 1, 499, "quarantined"), ("client_reference_id", None, "", "ignored")],
)
async def test_a_poll_does_not_fail_a_paid_checkout_that_a_webhook_sets_aside(
    shop: Shop, sandbox_folder: Path, changed: str, wrong: object, right: object, outcome: str
) -> None:
    """Its buyer has paid and must not be asked to pay again; an operator looks at the event."""
    buyer = await single(shop)
    await shop.press(buyer.page)
    right = right or shop.session_at(buyer.page).client_reference_id

    def change_at_stripe(value: object) -> None:
        with closing(sqlite3.connect(sandbox_folder / "stripe.sqlite3")) as database:
            update = "update objects set body = json_set(body, ?, ?) where id = ?"
            database.execute(update, (f"$.{changed}", value, buyer.session_id))
            database.commit()

    change_at_stripe(wrong)
    told = event("checkout.session.completed", buyer.session_id)
    assert await buyer.status() == "pending"
    await shop.deliver(told)
    buyer.last_polled(4)
    assert await buyer.status() == "pending"
    assert shop.stored(told["id"])["outcome"] == outcome
    assert await buyer.listed() == [("pending", "4.99")]
    change_at_stripe(right)
    buyer.last_polled(4)
    await buyer.sees("succeeded")


async def test_nobody_has_others_checkouts_looked_up(shop: Shop) -> None:
    buyer = await single(shop)
    await shop.press(buyer.page)
    assert await shop.mine(f"checkout/{buyer.session_id}/", shop.user()) is None
    assert shop.payment_of(buyer.page)["status"] == "pending"


async def test_the_webhook_that_comes_late_changes_nothing(shop: Shop) -> None:
    buyer = await Buyer(shop, payment_type="monthly").begin()
    await shop.control("delivery", drop=[], hold=True)
    await shop.press(buyer.page)
    await buyer.sees("succeeded")
    begun = shop.session_at(buyer.page).subscription
    assert isinstance(begun, Subscription)
    await shop.control("delivery", hold=False)
    await shop.control("release")
    await eventually(shop.has_heard_all)
    assert await buyer.listed() == [("succeeded", "9.99")]
    assert shop.stripe.v1.subscriptions.retrieve(begun.id).status == "active"
