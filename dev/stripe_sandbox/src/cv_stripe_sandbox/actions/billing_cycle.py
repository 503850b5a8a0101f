"""What happens by itself when its time has come: renewals, retries, endings, expiries."""

from cv_stripe_sandbox.actions import invoices, sessions, subscriptions
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.shapes import Json

_LIVING = ["active", "past_due", "unpaid", "trialing"]
_MOST_STEPS = 500


def run_due(context: Context) -> None:
    """Do everything that is due, step by step in the order of time, until nothing is."""
    sessions.expire_due(context)
    for subscription_id in _due(context):
        subscription = context.objects.get(subscription_id, "subscription")
        for _ in range(_MOST_STEPS):
            if not _step(context, subscription):
                break


def _due(context: Context) -> list[str]:
    """Ids of the subscriptions for which something may be due: an ending, a renewal, a retry."""
    ending, renewing = (
        context.objects.due("subscription", moment, _LIVING, context.now)
        for moment in ("cancel_at", "items.data[0].current_period_end")
    )
    unpaid = context.objects.due("invoice", "next_payment_attempt", ["open"], context.now)
    found = [*(each["id"] for each in [*ending, *renewing]), *map(invoices.subscription_of, unpaid)]
    return list(dict.fromkeys(found))


def _step(context: Context, subscription: Json) -> bool:
    """The subscription's earliest due step; False when there is none."""
    if subscription["status"] not in _LIVING:
        return False
    retries = [
        (invoice["next_payment_attempt"], invoice)
        for invoice in invoices.open_invoices(context, subscription["id"])
        if invoice["next_payment_attempt"] is not None
    ]
    retry_at, invoice = min(retries, key=lambda pair: pair[0], default=(None, None))
    ends_at, renews_at = subscription["cancel_at"], subscriptions.period_end(subscription)
    earliest = min(moment for moment in (retry_at, ends_at, renews_at) if moment is not None)
    if earliest > context.now:
        return False
    if earliest == ends_at:
        subscriptions.end(context, subscription, "cancellation_requested")
    elif invoice is not None and earliest == retry_at:
        subscriptions.collect(context, subscription, invoice)
    else:
        subscriptions.renew(context, subscription)
    return True
