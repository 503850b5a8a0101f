"""The prices at Stripe: found by lookup key, compared with what we sell, and not used until they agree."""

import asyncio
import logging
from contextlib import suppress

import stripe
from cv_common.errors import Unavailable

from cv_payments.clients.stripe_account import misfit
from cv_payments.clients.stripe_api import Stripe
from cv_payments.clients.stripe_connection import StripeDown, StripeRefused
from cv_payments.domain.offers import OFFERS, Offer, PaymentType, SubscriptionType

log = logging.getLogger(__name__)


class Prices:
    """What each offer is called at Stripe. Looked up at start, until all is well, and again every hour."""

    name = "prices"
    AGAIN, FRESH = 2.0, 3600.0
    """Seconds between two looks, while something is wrong and while nothing is."""

    def __init__(self, stripe_api: Stripe) -> None:
        self._stripe = stripe_api
        self._ids: dict[PaymentType, str] = {}
        self._problem: str | None = "not looked up yet"
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._keep_looking(), name="prices")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def problem(self) -> str | None:
        return self._problem

    def id_of(self, payment_type: PaymentType) -> str:
        """The price to sell an offer at. Raises Unavailable while Stripe's price is not known to be ours."""
        try:
            return self._ids[payment_type]
        except KeyError:
            raise Unavailable("Payments are not available at the moment, try again later.") from None

    def plan_of(self, price_id: str | None) -> SubscriptionType | None:
        """The plan sold at a price; None when none is."""
        if price_id is not None and price_id == self._ids.get("monthly"):
            return "monthly"
        return "yearly" if price_id is not None and price_id == self._ids.get("yearly") else None

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self._look()
            except (StripeDown, StripeRefused) as error:
                self._problem = f"the prices cannot be looked up: {error}"
                log.warning("the prices cannot be looked up", extra={"error": str(error)})
            except Exception:
                log.exception("looking up the prices failed")
            await asyncio.sleep(self.AGAIN if self._problem else self.FRESH)

    async def _look(self) -> None:
        prices = await self._stripe.prices([offer.lookup_key for offer in OFFERS.values()])
        found = {price.lookup_key: price for price in prices}
        wrong = {offer.payment_type: _problem_with(offer, found.get(offer.lookup_key)) for offer in OFFERS.values()}
        self._ids = {
            offer.payment_type: found[offer.lookup_key].id
            for offer in OFFERS.values()
            if wrong[offer.payment_type] is None
        }
        problem = "; ".join(filter(None, wrong.values())) or None
        if problem and problem != self._problem:
            log.error("Stripe's prices are not ours", extra={"problem": problem})
        self._problem = problem


def _problem_with(offer: Offer, price: stripe.Price | None) -> str | None:
    return f"there is no active price {offer.lookup_key}" if price is None else misfit(offer, price)
