"""The catalog: the offers' prices at Stripe. An offer is on sale once its price at Stripe matches it."""

import asyncio
import logging
from collections.abc import Mapping

from cv_common.kernel import tasks
from cv_common.kernel.errors import ServiceUnavailable

from cv_payments.clients.stripe_account import StripeAccount, price_mismatch
from cv_payments.clients.stripe_connection import StripeRequestError, StripeUnavailable
from cv_payments.domain.offers import OFFERS, PaymentType, SubscriptionType

log = logging.getLogger(__name__)


class Catalog:
    """The ids of the prices and of the billing portal. Loaded at start and every hour, after a problem every 2 s."""

    name = "catalogue"
    RETRY_SECONDS, REFRESH_SECONDS = 2.0, 3600.0

    def __init__(self, account: StripeAccount) -> None:
        self._account = account
        self._price_ids: dict[PaymentType, str] = {}
        self._portal_id: str | None = None
        self._problem: str | None = "Stripe's prices are not loaded yet"
        self._loaded = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        await tasks.cancel_and_wait(self._task)

    async def check(self) -> str | None:
        return self._problem

    def price_id(self, payment_type: PaymentType) -> str:
        """Return the price of an offer. Raises ServiceUnavailable while it does not match the offer."""
        if (price_id := self._price_ids.get(payment_type)) is None:
            raise _unavailable()
        return price_id

    def plans(self) -> Mapping[str, SubscriptionType]:
        """Return the plans on sale, by price id. Raises ServiceUnavailable before they are loaded."""
        if not self._loaded:
            raise _unavailable()
        plans: tuple[SubscriptionType, ...] = ("monthly", "yearly")
        return {self._price_ids[plan]: plan for plan in plans if plan in self._price_ids}

    @property
    def portal_id(self) -> str:
        """Return the configuration of the billing portal. Raises ServiceUnavailable while there is none."""
        if self._portal_id is None:
            raise _unavailable()
        return self._portal_id

    async def _run(self) -> None:
        while True:
            try:
                self._report(await self._load())
            except (StripeUnavailable, StripeRequestError) as error:
                self._report(f"Stripe's prices cannot be loaded: {error}")
            except Exception:
                log.exception("cannot load the catalog")
            await asyncio.sleep(self.RETRY_SECONDS if self._problem else self.REFRESH_SECONDS)

    def _report(self, problem: str | None) -> None:
        if problem and problem != self._problem:
            log.error("the catalog has a problem", extra={"problem": problem})
        self._problem = problem

    async def _load(self) -> str | None:
        """Load all ids. Returns the problems, None when there are none."""
        found = await self._account.prices()
        problems = {offer.payment_type: price_mismatch(offer, found.get(offer.lookup_key)) for offer in OFFERS.values()}
        self._price_ids = {
            payment_type: found[OFFERS[payment_type].lookup_key].id
            for payment_type, problem in problems.items()
            if problem is None
        }
        self._loaded = True
        portal = await self._account.portal_configuration()
        self._portal_id = portal.id if portal else None
        portal_problem = None if portal else "the billing portal is not set up"
        return "; ".join(problem for problem in (*problems.values(), portal_problem) if problem) or None


def _unavailable() -> ServiceUnavailable:
    return ServiceUnavailable("Payments are not available at the moment, try again later.")
