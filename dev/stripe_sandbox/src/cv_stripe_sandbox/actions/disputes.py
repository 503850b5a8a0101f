"""Disputes: inquiries and chargebacks."""

from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects import payments
from cv_stripe_sandbox.shapes import Json

OPEN = ("warning_needs_response", "warning_under_review", "needs_response", "under_review")
CLOSED = ("warning_closed", "won", "lost", "prevented")


def create(context: Context, charge_id: str, status: str) -> Json:
    """Create a dispute of a charge. A `warning_...` status is an inquiry, which moves no money."""
    charged = context.objects.get(charge_id, "charge")
    if status not in OPEN or not charged["paid"]:
        raise StripeError(f"A dispute begins with one of {', '.join(OPEN)}, on a paid charge.")
    context.update(charged, {"disputed": True}, event="charge.updated")
    dispute = context.create(payments.dispute(charged, status, context.now), event="charge.dispute.created")
    if not status.startswith("warning_"):
        context.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def update_status(context: Context, dispute_id: str, status: str) -> Json:
    """Move a dispute to another status, which may close it."""
    dispute = context.objects.get(dispute_id, "dispute")
    if status not in OPEN + CLOSED or dispute["status"] in CLOSED:
        raise StripeError(f"A dispute that is {dispute['status']} cannot become {status}.")
    if status not in CLOSED:
        return context.update(dispute, {"status": status}, event="charge.dispute.updated")
    context.update(dispute, {"status": status})
    if status == "won":
        context.emit("charge.dispute.funds_reinstated", dispute)
    context.emit("charge.dispute.closed", dispute)
    return dispute


def blocks_refund(context: Context, charge_id: str) -> bool:
    """Return whether a dispute of the charge is open or lost, so that the charge cannot be refunded."""
    disputes = context.objects.select("dispute", {"charge": charge_id})
    return any(dispute["status"] in {"needs_response", "under_review", "lost"} for dispute in disputes)
