"""Whose a resume is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a resume belongs to: an account, or an anonymous session. Exactly one of the two is set."""

    user_id: int | None = None
    session_id: str | None = None

    @property
    def key(self) -> str:
        """How the owner is written in the database."""
        return f"user:{self.user_id}" if self.user_id is not None else f"session:{self.session_id}"

    @classmethod
    def of_key(cls, key: str) -> "Owner":
        """The owner behind a key."""
        kind, _, name = key.partition(":")
        return cls(user_id=int(name)) if kind == "user" else cls(session_id=name)
