"""Stripe's events that we act on. An event only says which object to look at again."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["session", "subscription", "invoice", "charge", "refund", "dispute"]

_EVENTS: dict[Kind, tuple[str, ...]] = {
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

KINDS: dict[str, Kind] = {event_type: kind for kind, event_types in _EVENTS.items() for event_type in event_types}
"""Event type -> what kind of object it is about."""


LONGEST_ID = 255
"""Characters of the longest id that Stripe gives anything."""
LONGEST_TYPE = 100
"""Characters of the longest type of event that is kept."""


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """An event, as far as it is believed: its words are asked for again before anything follows from them."""

    id: str
    type: str
    livemode: bool
    object_id: str | None
