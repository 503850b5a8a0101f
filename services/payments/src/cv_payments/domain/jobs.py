"""Jobs: Stripe events to process and calls to Stripe to make. A job is retried until it has an outcome."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cv_payments.domain.payments import RefundReason

Outcome = Literal["done", "ignored", "quarantined", "dead", "dismissed"]
"""Why a job needs no further attempt.

`done`: its effect is committed. `ignored`: it has no effect. `quarantined`: the object does not match.
`dead`: it failed too often. `dismissed`: an operator closed a quarantined or dead job.
"""

CallAction = Literal["refund", "cancel_subscription", "expire_session", "delete_customer"]
"""`refund`: the whole payment. `cancel_subscription`: now. `expire_session`: close a checkout page.

`delete_customer`: delete name, e-mail and cards. Stripe keeps the payments.
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A leased job. `attempts` includes the current one."""

    key: str
    attempts: int


@dataclass(frozen=True, slots=True)
class EventJob(Job):
    """A Stripe event to process. `key` is the event's id."""

    type: str
    object_id: str | None


@dataclass(frozen=True, slots=True)
class CallJob(Job):
    """A call to Stripe to make. `reason` is the reason of a refund."""

    action: CallAction
    object_id: str
    reason: RefundReason | None
    refusals: int
    """How often Stripe has answered this call with an error."""

    @property
    def idempotency_key(self) -> str:
        """Return a new key after each answer: Stripe repeats its answer to a key, errors included."""
        return f"{self.key}:{self.refusals}" if self.refusals else self.key


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A dead or quarantined job."""

    key: str
    kind: str
    object_id: str | None
    outcome: Outcome
    attempts: int
    since: datetime
    error: str | None


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """How many jobs are dead or quarantined, and for how many seconds the oldest unfinished job has waited."""

    dead: int
    quarantined: int
    oldest: float
