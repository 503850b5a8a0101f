"""What is due by the clock: renewals, retries, cancellations and expirations."""

from cv_stripe_sandbox.actions import invoices, sessions, subscriptions
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.shapes import Json

_NOT_ENDED = ["active", "past_due", "unpaid", "trialing"]
_MAX_STEPS = 500


def run_due(context: Context) -> None:
    """Run everything that is due, in chronological order."""
    sessions.expire_due(context)
    for subscription_id in _list_due(context):
        subscription = context.objects.get(subscription_id, "subscription")
        for _ in range(_MAX_STEPS):
            if not _run_next_step(context, subscription):
                break


def _list_due(context: Context) -> list[str]:
    """Return the ids of the subscriptions that may have a cancellation, a renewal or a retry due."""
    ending, renewing = (
        context.objects.list_due("subscription", moment, _NOT_ENDED, context.now)
        for moment in ("cancel_at", "items.data[0].current_period_end")
    )
    unpaid = context.objects.list_due("invoice", "next_payment_attempt", ["open"], context.now)
    found = [*(each["id"] for each in [*ending, *renewing]), *map(invoices.subscription_of, unpaid)]
    return list(dict.fromkeys(found))


def _run_next_step(context: Context, subscription: Json) -> bool:
    """Run the earliest due step of the subscription. Return False if no step is due."""
    if subscription["status"] not in _NOT_ENDED:
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
