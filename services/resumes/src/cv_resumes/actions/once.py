"""Requests that create something take effect once, however often they are sent with the same `Idempotency-Key`."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cv_common.drf.forms import UploadedFile
from cv_common.kernel.database import Row, Transaction
from cv_common.kernel.errors import BadRequest

from cv_resumes.domain.keys import REQUEST_SCOPE, is_random_uuid
from cv_resumes.domain.owners import Owner
from cv_resumes.repository import keys

GONE = "The CV that was created with this Idempotency-Key has been deleted."
GONE_ON = "The CV that was created with this Idempotency-Key belongs to an account now."


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key for one request, and a digest of what that request said."""

    key: str
    fingerprint: str

    def scope(self, owner: Owner | None) -> str | None:
        """Whose keys this one is among; None when it proves nothing.

        A visitor without a session is known by nothing but the request. Two visitors may well send the same one: only
        a key that nobody else can have made leads to the session that the first of them was given.
        """
        if owner is not None:
            return owner.key
        return f"{REQUEST_SCOPE}{self.fingerprint}" if is_random_uuid(self.key) else None


def fingerprint(data: Any) -> str:
    """A digest of what request data says, however it was written: no two multipart bodies are the same."""
    return sha256(json.dumps(data, default=_digest, sort_keys=True).encode()).hexdigest()


def _digest(upload: UploadedFile) -> list[str]:
    return [upload.name, sha256(upload.content).hexdigest()]


async def already_created(tx: Transaction, once: IdempotencyKey, owner: Owner | None) -> Row | None:
    """`owner` and `resume_id` of what an earlier request with this key created, or None: it is the first.

    Raises BadRequest when the earlier request was another one.
    """
    scope = once.scope(owner)
    if scope is None:
        return None
    without_session = once.scope(None)
    if owner is not None and owner.session_id is not None and without_session is not None:
        # The answer that brought the session may have been lost, or the first request may arrive after this one.
        created = await keys.take_key(tx, without_session, once.key, once.fingerprint)
        if created is not None:
            return created
    taken = await keys.take_key(tx, scope, once.key, once.fingerprint)
    if taken is not None and taken["fingerprint"] != once.fingerprint:
        raise BadRequest("This Idempotency-Key was used for another request.")
    return taken


async def remember_created(
    tx: Transaction, once: IdempotencyKey, asked_as: Owner | None, owner: Owner, resume_id: int
) -> None:
    """Keep what the request created: for whoever sent it, for its session, and for the request without its session."""
    scopes = {once.scope(asked_as), once.scope(owner)}
    if owner.session_id is not None:
        scopes.add(once.scope(None))
    for scope in scopes:
        if scope is not None:
            await keys.keep_key(tx, scope, once.key, once.fingerprint, owner, resume_id)
