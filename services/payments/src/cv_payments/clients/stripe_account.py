"""A Stripe account as payments needs it: products, prices, the portal's configuration, the webhook's endpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import stripe
from stripe.params import PriceCreateParams

from cv_payments.clients.stripe_connection import StripeConnection, StripeMissing
from cv_payments.domain.offers import CURRENCY, OFFERS, Offer

OWN_MARK = {"app": "cv-builder"}
"""The metadata by which we know our own portal configuration again."""


class StripeAccount:
    """Looks for what should be there and makes what is missing. Raises StripeDown and StripeRefused."""

    def __init__(self, connection: StripeConnection) -> None:
        self._connection = connection
        self._answer = connection.answer

    @property
    def _v1(self) -> stripe.V1Services:
        return self._connection.v1

    async def ensure_product(self, offer: Offer) -> bool:
        """The product of an offer, under the name of its lookup key. True when it was made now."""
        try:
            await self._answer(self._v1.products.retrieve_async(offer.lookup_key))
        except StripeMissing:
            await self._answer(self._v1.products.create_async({"id": offer.lookup_key, "name": offer.name}))
            return True
        return False

    async def ensure_price(self, offer: Offer) -> tuple[str, bool]:
        """The id of an offer's price; True when it was made now, in the place of one that was not as it should be."""
        found = (await self.prices()).get(offer.lookup_key)
        if found is not None and misfit(offer, found) is None:
            return found.id, False
        wanted: PriceCreateParams = {
            "product": offer.lookup_key,
            "lookup_key": offer.lookup_key,
            "transfer_lookup_key": True,
            "currency": CURRENCY,
            "unit_amount": offer.amount,
            "tax_behavior": "inclusive",
        }
        if offer.interval is not None:
            wanted["recurring"] = {"interval": offer.interval}
        return (await self._answer(self._v1.prices.create_async(wanted))).id, True

    async def prices(self) -> dict[str, stripe.Price]:
        """The active prices of our offers, by lookup key."""
        keys = [offer.lookup_key for offer in OFFERS.values()]
        listed = await self._answer(self._v1.prices.list_async({"lookup_keys": keys, "active": True, "limit": 10}))
        return {price.lookup_key: price for price in listed.data if price.lookup_key}

    async def portal_configuration(self) -> stripe.billing_portal.Configuration | None:
        """Our own active configuration of the billing portal, the newest if there are several."""
        listed = await self._answer(self._v1.billing_portal.configurations.list_async({"active": True, "limit": 100}))
        return next((each for each in listed.data if _is_ours(each)), None)

    async def ensure_portal(self, price_ids: Mapping[str, str], return_url: str) -> bool:
        """The billing portal: cards, invoices, ending, and changing between the plans. True when it was changed."""
        found = await self.portal_configuration()
        wanted: Any = _portal(price_ids, return_url)
        if found is None:
            await self._answer(self._v1.billing_portal.configurations.create_async(wanted))
            return True
        mended = await self._answer(self._v1.billing_portal.configurations.update_async(found.id, wanted))
        return _wording(mended) != _wording(found)

    async def ensure_endpoint(self, url: str, event_types: Sequence[str]) -> str | None:
        """The webhook endpoint. Its secret when it was made now: Stripe shows it this once."""
        listed = await self._answer(self._v1.webhook_endpoints.list_async({"limit": 100}))
        found = next((each for each in listed.data if each.url == url), None)
        events: Any = {"enabled_events": list(event_types)}
        if found is None:
            wanted: Any = {**events, "url": url, "api_version": stripe.api_version}
            return (await self._answer(self._v1.webhook_endpoints.create_async(wanted))).secret
        if set(found.enabled_events) != set(event_types):
            await self._answer(self._v1.webhook_endpoints.update_async(found.id, events))
        return None


def misfit(offer: Offer, price: stripe.Price) -> str | None:
    """What is wrong with Stripe's price of an offer; None when nothing is."""
    recurring = price.recurring
    interval = f"{recurring.interval_count} {recurring.interval}" if recurring else None
    theirs = (price.unit_amount, price.currency, interval)
    ours = (offer.amount, CURRENCY, f"1 {offer.interval}" if offer.interval else None)
    return None if theirs == ours else f"{offer.lookup_key} is {theirs} at Stripe, {ours} here"


def _is_ours(configuration: stripe.billing_portal.Configuration) -> bool:
    metadata = configuration.metadata.to_dict() if configuration.metadata else {}
    return OWN_MARK.items() <= metadata.items()


def _wording(configuration: stripe.billing_portal.Configuration) -> dict[str, Any]:
    return {**configuration.to_dict(), "updated": None}


def _portal(price_ids: Mapping[str, str], return_url: str) -> dict[str, Any]:
    plans = [offer for offer in OFFERS.values() if offer.interval is not None]
    return {
        "metadata": {**OWN_MARK, **{offer.lookup_key: price_ids[offer.payment_type] for offer in plans}},
        "default_return_url": return_url,
        "features": {
            "customer_update": {"enabled": True, "allowed_updates": ["email", "address", "tax_id"]},
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True},
            "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
            "subscription_update": {
                "enabled": True,
                "default_allowed_updates": ["price"],
                "proration_behavior": "always_invoice",
                "products": [
                    {"product": offer.lookup_key, "prices": [price_ids[offer.payment_type]]} for offer in plans
                ],
            },
        },
    }
