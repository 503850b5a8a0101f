"""Setup of a Stripe account. A second run changes nothing."""

from collections.abc import AsyncIterator

from cv_payments.clients.stripe_account import StripeAccount
from cv_payments.domain.events import OBJECT_KINDS
from cv_payments.domain.offers import OFFERS


async def set_up_account(account: StripeAccount, return_url: str, webhook_url: str | None) -> AsyncIterator[str]:
    """Create missing products, prices, the portal and (with a URL) the webhook endpoint. Yields a line for each.

    Raises StripeUnavailable and StripeRequestError.
    """
    price_ids: dict[str, str] = {}
    for offer in OFFERS.values():
        created = await account.ensure_product(offer)
        yield f"product {offer.lookup_key}: {_result(created)}"
        price_ids[offer.payment_type], created = await account.ensure_price(offer)
        yield f"price {offer.lookup_key} ({offer.amount / 100:.2f} EUR): {_result(created)}"
    yield f"billing portal: {_result(await account.ensure_portal(price_ids, return_url))}"
    if webhook_url is not None:
        secret = await account.ensure_endpoint(webhook_url, sorted(OBJECT_KINDS))
        yield f"webhook {webhook_url}: {_result(secret is not None)}"
        if secret is not None:
            yield f"Stripe shows the webhook's secret only now. Add it to STRIPE_WEBHOOK_SECRETS: {secret}"


def _result(changed: bool) -> str:
    return "created or updated" if changed else "up to date"
