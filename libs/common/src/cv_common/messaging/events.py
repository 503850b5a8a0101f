"""The events: facts already true, told to the services that need them. This file is the contract between services.

Each event carries ids and states (no personal data) and a `revision`: the state with the highest revision wins, so
consuming is one "upsert if newer" and neither order nor duplicates matter. A new optional field keeps the version;
any other change is a new class with the next version, published beside the old one until nobody reads that.
The bytes of every version are pinned by `tests/golden/`.
"""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid4

from cv_common.kernel.identity import MAX_ID
from pydantic import BaseModel, ConfigDict, Field

SubscriptionType = Literal["monthly", "yearly"]
SubscriptionStatus = Literal["active", "canceled", "past_due", "incomplete", "trialing"]


DatabaseId = Annotated[int, Field(ge=0, le=MAX_ID)]
"""What no database keeps makes an event unreadable."""


class Event(BaseModel):
    """What all events carry. `name` is the NATS subject; its first word owns the event and names the stream."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: ClassVar[str]

    id: UUID = Field(default_factory=uuid4)
    occurred_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    revision: DatabaseId

    @classmethod
    def stream(cls) -> str:
        """The JetStream stream that keeps this event."""
        return cls.name.partition(".")[0].upper()


class SessionClaimed(Event):
    """An anonymous session's resumes and purchases now belong to an account; the session has ended."""

    name: ClassVar[str] = "auth.session_claimed.v1"
    session_id: str
    user_id: DatabaseId


class SessionMerged(Event):
    """An anonymous session's resumes and purchases now belong to another session of the same visitor; it has ended.

    If the other session has ended too, nothing is moved: the event that ended it is followed by one for this session.
    """

    name: ClassVar[str] = "auth.session_merged.v1"
    session_id: str
    into_session_id: str


class UserDeleted(Event):
    """An account was erased: whoever keeps something of it deletes that."""

    name: ClassVar[str] = "auth.user_deleted.v1"
    user_id: DatabaseId


class ResumeDeleted(Event):
    """A resume is gone: its files go, and nobody can pay for it any more."""

    name: ClassVar[str] = "resumes.resume_deleted.v1"
    resume_id: DatabaseId


class TemplateChanged(Event):
    """A template was added, hidden or changed. The event carries what other services store of it."""

    name: ClassVar[str] = "templates.template_changed.v1"
    template_id: DatabaseId
    is_premium: bool
    is_active: bool


class ResumePaymentChanged(Event):
    """Whether one resume is bought, as a single payment."""

    name: ClassVar[str] = "payments.resume_payment_changed.v1"
    resume_id: DatabaseId
    paid: bool


class SubscriptionChanged(Event):
    """What an owner's subscriptions amount to. Exactly one of `user_id` and `session_id` is set.

    The owner is entitled while now < `entitled_until` (None: not at all).
    """

    name: ClassVar[str] = "payments.subscription_changed.v1"
    user_id: DatabaseId | None
    session_id: str | None
    status: SubscriptionStatus
    subscription_type: SubscriptionType | None
    subscription_end_date: datetime | None
    entitled_until: datetime | None


EVENTS: tuple[type[Event], ...] = (
    SessionClaimed,
    SessionMerged,
    UserDeleted,
    ResumeDeleted,
    TemplateChanged,
    ResumePaymentChanged,
    SubscriptionChanged,
)
