"""Delete customers."""

from cv_stripe_sandbox.actions import subscriptions
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.shapes import Json

KIND = "deleted customer"


def delete_customer(context: Context, customer_id: str) -> Json:
    """Delete a customer and end their subscriptions. Only the id can still be retrieved."""
    customer = context.objects.get(customer_id, "customer")
    for subscription in context.objects.select("subscription", {"customer": customer_id}):
        if subscription["status"] not in subscriptions.ENDED:
            subscriptions.end(context, subscription, "cancellation_requested")
    context.emit("customer.deleted", customer)
    return context.objects.replace_deleted({"id": customer_id, "object": "customer", "deleted": True}, KIND)
