"""Accounts as the database stores them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Person:
    """The fields of an account that its owner edits."""

    username: str
    email: str
    first_name: str
    last_name: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class Account(Person):
    """An account, with the latest state of its subscription (all None without one)."""

    id: int
    created_at: datetime
    subscription_type: str | None
    subscription_end_date: datetime | None
    entitled_until: datetime | None

    def is_premium(self, now: datetime) -> bool:
        """Return whether the subscription gives access at `now`. It ends by time alone, so nothing stores this."""
        return self.entitled_until is not None and now < self.entitled_until


@dataclass(frozen=True, slots=True)
class Credentials(Person):
    """An account, with the hash that its password is verified against."""

    id: int
    password_hash: str


@dataclass(frozen=True, slots=True)
class TokenOwner:
    """The account that a refresh token was issued to."""

    id: int
    email: str


@dataclass(frozen=True, slots=True)
class TakenNames:
    """Which of two names belong to another account."""

    username: bool
    email: bool


@dataclass(frozen=True, slots=True)
class EndedSession:
    """An anonymous session that has ended, and the session that it was merged into, if any."""

    session_id: str
    into_session_id: str | None
