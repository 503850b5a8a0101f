"""Idempotency keys: clients send one with a request, so that repeating the request creates nothing more."""

import re
from dataclasses import dataclass
from uuid import UUID

from cv_resumes.domain.owners import Owner

MAX_KEY_LENGTH = 255
REQUEST_SCOPE = "request:"
"""Prefix of the scope of keys that came without a session. The fingerprint of the request follows."""

_DOCUMENTED_KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"
"""The example in the OpenAPI document. A test checks that it is the same: `parameters` needs FastAPI, rules do not."""
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key for one request, and the fingerprint of that request's data."""

    key: str
    fingerprint: str

    def scope(self, owner: Owner | None) -> str | None:
        """Return the scope in which the key is unique: its owner, or the request of a visitor without a session.

        Two visitors without a session may send equal requests. The stored key leads to the session of the first one,
        so only a random UUID counts, which nobody else can know. None: the key is ignored.
        """
        if owner is not None:
            return owner.key
        return f"{REQUEST_SCOPE}{self.fingerprint}" if is_random_uuid(self.key) else None


@dataclass(frozen=True, slots=True)
class UsedKey:
    """What is stored for a key. The owner and the resume are None until the first request commits."""

    fingerprint: str
    owner: str | None
    resume_id: int | None


def is_random_uuid(key: str) -> bool:
    """Return whether a key is a random UUID (version 4), but not the example of the documentation."""
    return _UUID.fullmatch(key) is not None and UUID(key).version == 4 and key.lower() != _DOCUMENTED_KEY
