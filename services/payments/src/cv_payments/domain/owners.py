"""Owners: accounts and anonymous sessions that buy something."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Owner:
    """A stored owner: an account or an anonymous session. The owner of an erased account has neither id."""

    id: int
    user_id: int | None
    session_id: str | None
    customer_id: str | None
    revision: int
    """The revision of the last event published about its subscriptions."""
    ended_at: datetime | None

    @property
    def is_known(self) -> bool:
        return self.user_id is not None or self.session_id is not None
