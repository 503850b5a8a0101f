"""What we sell, as Stripe knows it: found by lookup key, compared with our offers, and not sold until both agree."""

import asyncio
import logging

import stripe
from cv_common.kernel import tasks
from cv_common.kernel.errors import ServiceUnavailable

from cv_payments.clients.stripe_account import StripeAccount, misfit
from cv_payments.clients.stripe_connection import StripeDown, StripeRefused
from cv_payments.domain.offers import OFFERS, Offer, PaymentType, SubscriptionType

log = logging.getLogger(__name__)


class Catalogue:
    """The ids of our prices and of our billing portal. Looked up at start, until all is well, then every hour."""

    name = "catalogue"
    AGAIN, FRESH = 2.0, 3600.0
    """Seconds between two looks, while something is wrong and while nothing is."""

    def __init__(self, account: StripeAccount) -> None:
        self._account = account
        self._price_ids: dict[PaymentType, str] = {}
        self._portal_id: str | None = None
        self._problem: str | None = "Stripe's prices are not looked up yet"
        self._looked = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._keep_looking(), name=self.name)

    async def stop(self) -> None:
        await tasks.cancel_and_wait(self._task)

    async def check(self) -> str | None:
        return self._problem

    def price_of(self, payment_type: PaymentType) -> str:
        """The price to sell an offer at. Raises ServiceUnavailable while Stripe's is not known to be ours."""
        try:
            return self._price_ids[payment_type]
        except KeyError:
            raise _closed() from None

    def plans(self) -> dict[str, SubscriptionType]:
        """The plans on sale, by price. Raises ServiceUnavailable while they are not known."""
        if not self._looked:
            raise _closed()
        plans: tuple[SubscriptionType, ...] = ("monthly", "yearly")
        return {self._price_ids[plan]: plan for plan in plans if plan in self._price_ids}

    @property
    def portal_id(self) -> str:
        """The configuration of our billing portal. Raises ServiceUnavailable while there is none."""
        if self._portal_id is None:
            raise _closed()
        return self._portal_id

    async def _keep_looking(self) -> None:
        while True:
            try:
                self._tell(await self._look())
            except (StripeDown, StripeRefused) as error:
                self._tell(f"Stripe's prices cannot be looked up: {error}")
            except Exception:
                log.exception("looking up the catalogue failed")
            await asyncio.sleep(self.AGAIN if self._problem else self.FRESH)

    def _tell(self, problem: str | None) -> None:
        if problem and problem != self._problem:
            log.error("the catalogue is not as it should be", extra={"problem": problem})
        self._problem = problem

    async def _look(self) -> str | None:
        """Look everything up; what is wrong with it."""
        found = await self._account.prices()
        wrong = {each.payment_type: _problem_with(each, found.get(each.lookup_key)) for each in OFFERS.values()}
        self._price_ids = {
            payment_type: found[OFFERS[payment_type].lookup_key].id
            for payment_type, problem in wrong.items()
            if problem is None
        }
        self._looked = True
        portal = await self._account.portal_configuration()
        self._portal_id = portal.id if portal else None
        problems = [*wrong.values(), None if portal else "there is no billing portal of ours"]
        return "; ".join(problem for problem in problems if problem) or None


def _problem_with(offer: Offer, price: stripe.Price | None) -> str | None:
    return f"there is no active price {offer.lookup_key}" if price is None else misfit(offer, price)


def _closed() -> ServiceUnavailable:
    return ServiceUnavailable("Payments are not available at the moment, try again later.")
