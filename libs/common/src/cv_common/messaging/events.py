"""The events of all services: their contract with each other.

An event carries ids, a state (no personal data) and a `revision`. The state with the highest revision is the current
one, so a consumer upserts it if it is newer, and neither order nor duplicates matter. A new optional field keeps the
version of an event. Any other change needs a new class with the next version; the service publishes both until no
consumer reads the old one. `libs/common/tests/messaging/golden/` has the bytes of every version.
"""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field

from cv_common.kernel.identity import MAX_ID

SubscriptionType = Literal["monthly", "yearly"]
SubscriptionStatus = Literal["active", "canceled", "past_due", "incomplete", "trialing"]


DatabaseId = Annotated[int, Field(ge=0, le=MAX_ID)]
"""An id or revision. A value that no bigint holds makes the event unreadable."""


class Event(BaseModel):
    """Base of all events. `name` is the NATS subject; its first word is the owning service and names the stream."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: ClassVar[str]

    id: UUID = Field(default_factory=uuid4)
    occurred_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    revision: DatabaseId

    @classmethod
    def stream(cls) -> str:
        """Return the name of the JetStream stream with this event."""
        return cls.name.partition(".")[0].upper()


class SessionClaimed(Event):
    """The resumes and purchases of an anonymous session belong to an account now. The session has ended."""

    name: ClassVar[str] = "auth.session_claimed.v1"
    session_id: str
    user_id: DatabaseId


class SessionMerged(Event):
    """The resumes and purchases of an anonymous session belong to another session of the same visitor now.

    The first session has ended. If the other session has ended too, consumers do nothing: auth publishes a later event
    that names the owner of both.
    """

    name: ClassVar[str] = "auth.session_merged.v1"
    session_id: str
    into_session_id: str


class UserDeleted(Event):
    """An account was deleted. Consumers delete the data that they store for it."""

    name: ClassVar[str] = "auth.user_deleted.v1"
    user_id: DatabaseId


class ResumeDeleted(Event):
    """A resume was deleted. Consumers delete its files and accept no payment for it."""

    name: ClassVar[str] = "resumes.resume_deleted.v1"
    resume_id: DatabaseId


class TemplateChanged(Event):
    """A template was added, hidden or changed. The event carries what other services store of it."""

    name: ClassVar[str] = "templates.template_changed.v1"
    template_id: DatabaseId
    is_premium: bool
    is_active: bool


class ResumePaymentChanged(Event):
    """The single payment of a resume was made or refunded."""

    name: ClassVar[str] = "payments.resume_payment_changed.v1"
    resume_id: DatabaseId
    paid: bool


class SubscriptionChanged(Event):
    """The state of an owner's subscription changed. Exactly one of `user_id` and `session_id` is set.

    The owner is entitled until `entitled_until` (None: not entitled).
    """

    name: ClassVar[str] = "payments.subscription_changed.v1"
    user_id: DatabaseId | None
    session_id: str | None
    status: SubscriptionStatus
    subscription_type: SubscriptionType | None
    subscription_end_date: datetime | None
    entitled_until: datetime | None


EVENTS: tuple[type[Event], ...] = tuple(Event.__subclasses__())
"""The classes of all events, in the order of this module."""
