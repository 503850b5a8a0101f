"""The events of a subscription in many orders, each twice, while the subscription changes at Stripe.

`make test-operations` runs all 120 orders. The default tests run every ninth: each event comes first, and each last.
"""

import asyncio
import itertools

import pytest
from cv_common.messaging.events import SubscriptionChanged
from cv_testing.serving import eventually

from services.payments.tests.system import System, event

MOMENTS = {
    "customer.subscription.created": 0,
    "invoice.paid": 0,
    "checkout.session.completed": 0,
    "customer.subscription.updated": 1,
    "customer.subscription.deleted": 2,
}
"""Event type -> the stage at Stripe from which it can be sent."""
ORDERS = list(itertools.permutations(MOMENTS))
BATCHES = 9


class Life:
    """A subscription whose events only the test delivers."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.user_id = system.new_id()
        self.user = system.keys.user("payments", self.user_id)
        self._moment = 0
        self._about: dict[str, str] = {}
        self._subscription = ""

    async def begin(self) -> None:
        page = await self.system.checkout_page(self.user, payment_type="monthly")
        await self.system.press(page)
        session = await asyncio.to_thread(self.system.session_at, page)
        self._subscription = str(getattr(session.subscription, "id", ""))
        self._about = {"checkout.session.completed": session.id, "invoice.paid": str(session.invoice)}

    async def advance(self, moment: int) -> None:
        """Advance the subscription at Stripe: 1 is scheduled to end, 2 is ended."""
        subscriptions = self.system.stripe.v1.subscriptions
        if self._moment < 1 <= moment:
            await asyncio.to_thread(subscriptions.update, self._subscription, {"cancel_at_period_end": True})
        if self._moment < 2 <= moment:
            await asyncio.to_thread(subscriptions.cancel, self._subscription)
        self._moment = max(self._moment, moment)

    async def live(self, order: tuple[str, ...]) -> None:
        for kind in order:
            await self.advance(MOMENTS[kind])
            stripe_event = event(kind, self._about.get(kind, self._subscription))
            answers = await asyncio.gather(*(self.system.deliver(stripe_event) for _ in range(2)))
            assert {answer.status_code for answer in answers} == {200}

    def published(self) -> list[SubscriptionChanged]:
        mine = [
            each
            for each in self.system.published
            if isinstance(each, SubscriptionChanged) and each.user_id == self.user_id
        ]
        return sorted(mine, key=lambda each: each.revision)

    async def has_one_payment(self) -> bool:
        payments = await self.system.get("", self.user)
        return [(payment["status"], payment["amount"]) for payment in payments] == [("succeeded", "9.99")]

    def has_ended(self) -> bool:
        published = self.published()
        return bool(published) and (published[-1].status, published[-1].entitled_until) == ("canceled", None)


@pytest.mark.parametrize(
    "batch", [0, *(pytest.param(batch, marks=pytest.mark.operations) for batch in range(1, BATCHES))]
)
async def test_events_in_any_order_lead_to_the_same_state(system: System, batch: int) -> None:
    await system.control("delivery", drop=["*"])
    orders = ORDERS[batch::BATCHES]
    lives = [Life(system) for _ in orders]
    await asyncio.gather(*(life.begin() for life in lives))
    await asyncio.gather(*(life.live(order) for life, order in zip(lives, orders, strict=True)))
    for life, order in zip(lives, orders, strict=True):
        await eventually(life.has_ended)
        ended = [each.status for each in life.published()].index("canceled")
        assert [each.status for each in life.published()[ended:]] == ["canceled"], order
        await eventually(life.has_one_payment)
        shown = await system.get("subscription/", life.user)
        assert (shown["status"], shown["is_entitled"]) == ("canceled", False)
