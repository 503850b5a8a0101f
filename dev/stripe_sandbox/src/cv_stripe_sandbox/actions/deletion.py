"""A customer erased for good."""

from cv_stripe_sandbox.actions import subscriptions
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.shapes import Json

KIND = "deleted customer"


def delete_customer(context: Context, customer_id: str) -> Json:
    """Forget a customer; their subscriptions end now, and only the id can still be looked up."""
    customer = context.objects.get(customer_id, "customer")
    for subscription in context.objects.select("subscription", {"customer": customer_id}):
        if subscription["status"] not in subscriptions.ENDED:
            subscriptions.end(context, subscription, "cancellation_requested")
    context.emit("customer.deleted", customer)
    return context.objects.retire({"id": customer_id, "object": "customer", "deleted": True}, KIND)
