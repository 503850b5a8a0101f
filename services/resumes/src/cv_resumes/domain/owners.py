"""Owners of resumes: an account or an anonymous session."""

from dataclasses import dataclass
from secrets import token_urlsafe


def new_session_id() -> str:
    """Return the id of a new anonymous session."""
    return token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class Owner:
    """An account or an anonymous session. Exactly one of the two ids is set."""

    user_id: int | None = None
    session_id: str | None = None

    @property
    def key(self) -> str:
        """The owner as the database stores it."""
        return f"user:{self.user_id}" if self.user_id is not None else f"session:{self.session_id}"

    @classmethod
    def from_key(cls, key: str) -> "Owner":
        """Return the owner with this key."""
        kind, _, name = key.partition(":")
        return cls(user_id=int(name)) if kind == "user" else cls(session_id=name)


def quota_error(owner: Owner, count: int, account_limit: int, session_limit: int) -> str | None:
    """Return why an owner with `count` resumes may not create another, or None."""
    if owner.user_id is not None and count >= account_limit:
        return f"An account can keep at most {account_limit} CVs: delete one to write another."
    if owner.session_id is not None and count >= session_limit:
        return f"Without an account you can keep at most {session_limit} CVs: register to write more."
    return None
