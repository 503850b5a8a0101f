"""Requests that create something take effect once, however often they are sent with the same `Idempotency-Key`."""

from dataclasses import dataclass

from cv_common.db import Row, Transaction
from cv_common.errors import BadRequest

from cv_resumes.domain.owners import Owner
from cv_resumes.store import keys

MAX_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key for one request, and what that request said."""

    key: str
    fingerprint: str

    def scope(self, owner: Owner | None) -> str:
        """Whose keys this one is among. A visitor without a session has nothing but the request itself."""
        return owner.key if owner else f"request:{self.fingerprint}"


async def already_created(tx: Transaction, once: IdempotencyKey, owner: Owner | None) -> Row | None:
    """`owner` and `resume_id` of what an earlier request with this key created, or None: it is the first.

    Raises BadRequest when the earlier request was another one.
    """
    taken = await keys.take_key(tx, once.scope(owner), once.key, once.fingerprint)
    if taken is not None and taken["fingerprint"] != once.fingerprint:
        raise BadRequest("This Idempotency-Key was used for another request.")
    return taken


async def remember_created(
    tx: Transaction, once: IdempotencyKey, asked_as: Owner | None, owner: Owner, resume_id: int
) -> None:
    """Keep what the request created: for whoever sent it, and for the session that was started for them."""
    for scope in {once.scope(asked_as), once.scope(owner)}:
        await keys.keep_key(tx, scope, once.key, once.fingerprint, owner, resume_id)
