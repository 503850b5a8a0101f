"""Making a Stripe account ready to sell what we sell. Doing it again changes nothing."""

from collections.abc import AsyncIterator

from cv_payments.clients.stripe_account import StripeAccount
from cv_payments.domain.events import KINDS
from cv_payments.domain.offers import OFFERS


async def set_up(account: StripeAccount, return_url: str, webhook_url: str | None) -> AsyncIterator[str]:
    """Look for products, prices, the portal and (with a URL) the webhook; make what is missing. Says each, in a line.

    Raises StripeDown and StripeRefused.
    """
    price_ids: dict[str, str] = {}
    for offer in OFFERS.values():
        made = await account.ensure_product(offer)
        yield f"product {offer.lookup_key}: {_became(made)}"
        price_ids[offer.payment_type], made = await account.ensure_price(offer)
        yield f"price {offer.lookup_key} ({offer.amount / 100:.2f} EUR): {_became(made)}"
    yield f"billing portal: {_became(await account.ensure_portal(price_ids, return_url))}"
    if webhook_url is not None:
        secret = await account.ensure_endpoint(webhook_url, sorted(KINDS))
        yield f"webhook {webhook_url}: {_became(secret is not None)}"
        if secret is not None:
            yield f"Stripe shows the webhook's secret only now. Add it to STRIPE_WEBHOOK_SECRETS: {secret}"


def _became(made: bool) -> str:
    return "made" if made else "as it should be"
