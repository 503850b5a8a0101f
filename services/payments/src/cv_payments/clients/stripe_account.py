"""The setup of a Stripe account: products, prices, the portal's configuration, the webhook endpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import stripe
from stripe.params import PriceCreateParams

from cv_payments.clients.stripe_connection import StripeConnection, StripeNotFound
from cv_payments.domain.offers import CURRENCY, OFFERS, Offer

_OWN_METADATA = {"app": "cv-builder"}
"""The metadata that marks the service's own portal configuration."""


class StripeAccount:
    """Finds and creates the objects. All methods raise StripeUnavailable and StripeRequestError."""

    def __init__(self, connection: StripeConnection) -> None:
        self._connection = connection
        self._request = connection.request

    @property
    def _v1(self) -> stripe.V1Services:
        return self._connection.v1

    async def ensure_product(self, offer: Offer) -> bool:
        """Create the product of an offer, with the lookup key as its id. False when it exists."""
        try:
            await self._request(self._v1.products.retrieve_async(offer.lookup_key))
        except StripeNotFound:
            await self._request(self._v1.products.create_async({"id": offer.lookup_key, "name": offer.name}))
            return True
        return False

    async def ensure_price(self, offer: Offer) -> tuple[str, bool]:
        """Return the id of an offer's price, and whether it was created. A price that differs is replaced."""
        found = (await self.prices()).get(offer.lookup_key)
        if found is not None and price_mismatch(offer, found) is None:
            return found.id, False
        parameters: PriceCreateParams = {
            "product": offer.lookup_key,
            "lookup_key": offer.lookup_key,
            "transfer_lookup_key": True,
            "currency": CURRENCY,
            "unit_amount": offer.amount,
            "tax_behavior": "inclusive",
        }
        if offer.interval is not None:
            parameters["recurring"] = {"interval": offer.interval}
        return (await self._request(self._v1.prices.create_async(parameters))).id, True

    async def prices(self) -> dict[str, stripe.Price]:
        """Return the active prices of the offers, by lookup key."""
        keys = [offer.lookup_key for offer in OFFERS.values()]
        listed = await self._request(self._v1.prices.list_async({"lookup_keys": keys, "active": True, "limit": 10}))
        return {price.lookup_key: price for price in listed.data if price.lookup_key}

    async def portal_configuration(self) -> stripe.billing_portal.Configuration | None:
        """Return the service's own active configuration of the billing portal, the newest one."""
        listed = await self._request(self._v1.billing_portal.configurations.list_async({"active": True, "limit": 100}))
        return next((each for each in listed.data if _is_own(each)), None)

    async def ensure_portal(self, price_ids: Mapping[str, str], return_url: str) -> bool:
        """Configure the portal: cards, invoices, cancellation, change of plan. False when nothing changed."""
        found = await self.portal_configuration()
        parameters: Any = _portal_parameters(price_ids, return_url)
        if found is None:
            await self._request(self._v1.billing_portal.configurations.create_async(parameters))
            return True
        updated = await self._request(self._v1.billing_portal.configurations.update_async(found.id, parameters))
        return _without_time(updated) != _without_time(found)

    async def ensure_endpoint(self, url: str, event_types: Sequence[str]) -> str | None:
        """Create or update the webhook endpoint. The secret of a new one, which Stripe shows only once, else None."""
        listed = await self._request(self._v1.webhook_endpoints.list_async({"limit": 100}))
        found = next((each for each in listed.data if each.url == url), None)
        events: Any = {"enabled_events": list(event_types)}
        if found is None:
            parameters: Any = {**events, "url": url, "api_version": stripe.api_version}
            return (await self._request(self._v1.webhook_endpoints.create_async(parameters))).secret
        if set(found.enabled_events) != set(event_types):
            await self._request(self._v1.webhook_endpoints.update_async(found.id, events))
        return None


def price_mismatch(offer: Offer, price: stripe.Price | None) -> str | None:
    """Return how Stripe's price differs from an offer, in words for an operator; None when it matches."""
    if price is None:
        return f"there is no active price {offer.lookup_key}"
    recurring = price.recurring
    interval = f"{recurring.interval_count} {recurring.interval}" if recurring else None
    actual = (price.unit_amount, price.currency, interval)
    expected = (offer.amount, CURRENCY, f"1 {offer.interval}" if offer.interval else None)
    return None if actual == expected else f"{offer.lookup_key} is {actual} at Stripe, {expected} here"


def _is_own(configuration: stripe.billing_portal.Configuration) -> bool:
    metadata = configuration.metadata.to_dict() if configuration.metadata else {}
    return _OWN_METADATA.items() <= metadata.items()


def _without_time(configuration: stripe.billing_portal.Configuration) -> dict[str, Any]:
    return {**configuration.to_dict(), "updated": None}


def _portal_parameters(price_ids: Mapping[str, str], return_url: str) -> dict[str, Any]:
    plans = [offer for offer in OFFERS.values() if offer.interval is not None]
    return {
        "metadata": {**_OWN_METADATA, **{offer.lookup_key: price_ids[offer.payment_type] for offer in plans}},
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
