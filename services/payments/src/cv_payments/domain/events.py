"""The Stripe events that the service handles. An event only says which object to fetch from Stripe."""

from dataclasses import dataclass
from typing import Literal

ObjectKind = Literal["session", "subscription", "invoice", "charge", "refund", "dispute"]

_EVENT_TYPES: dict[ObjectKind, tuple[str, ...]] = {
    "session": (
        "checkout.session.completed",
        "checkout.session.expired",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
    ),
    "subscription": (
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
    ),
    "invoice": (
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.payment_failed",
        "invoice.voided",
        "invoice.marked_uncollectible",
    ),
    "charge": ("charge.refunded",),
    "refund": ("refund.updated", "refund.failed"),
    "dispute": ("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"),
}

OBJECT_KINDS: dict[str, ObjectKind] = {
    event_type: kind for kind, event_types in _EVENT_TYPES.items() for event_type in event_types
}
"""Event type -> kind of the object that the event is about."""

MAX_ID_LENGTH = 255
"""Characters of Stripe's longest ids."""
MAX_TYPE_LENGTH = 100
"""Characters of the longest event type that the service stores."""


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """An event as it arrives. The service fetches the object from Stripe and never trusts the event's copy of it."""

    id: str
    type: str
    livemode: bool
    object_id: str | None
