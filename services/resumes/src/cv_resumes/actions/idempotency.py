"""Requests with the same idempotency key create one resume, however often they are sent."""

import json
from hashlib import sha256

from cv_common.drf.forms import UploadedFile
from cv_common.kernel.database import Transaction
from cv_common.kernel.errors import BadRequest

from cv_resumes.domain.idempotency import IdempotencyKey, UsedKey
from cv_resumes.domain.owners import Owner
from cv_resumes.domain.resumes import Resume
from cv_resumes.repository import idempotency, resumes

_DELETED = "The CV that was created with this Idempotency-Key has been deleted."
_CLAIMED = "The CV that was created with this Idempotency-Key belongs to an account now."
_OTHER_REQUEST = "This Idempotency-Key was used for another request."


def fingerprint(data: object) -> str:
    """Return a digest of request data. It is equal for equal multipart bodies, whose bytes differ by their boundary."""
    return sha256(json.dumps(data, default=_describe_upload, sort_keys=True).encode()).hexdigest()


def _describe_upload(upload: UploadedFile) -> list[str]:
    return [upload.name, sha256(upload.content).hexdigest()]


async def find_replay(tx: Transaction, key: IdempotencyKey, owner: Owner | None) -> Resume | None:
    """Return the resume that an earlier request with this key created, or None if this request is the first.

    `owner` is the sender's. The resume may belong to another session: the one that the first request started. Raises
    BadRequest if the key was used for another request, and if the resume is deleted or claimed.
    """
    used = await _claim(tx, key, owner)
    if used is None:
        return None
    assert used.owner is not None
    assert used.resume_id is not None
    resume = await resumes.find(tx, Owner.from_key(used.owner), used.resume_id)
    if resume is None:
        raise BadRequest(_CLAIMED if await resumes.exists(tx, used.resume_id) else _DELETED)
    return resume


async def _claim(tx: Transaction, key: IdempotencyKey, owner: Owner | None) -> UsedKey | None:
    scope = key.scope(owner)
    if scope is None:
        return None
    sessionless_scope = key.scope(None)
    if owner is not None and owner.session_id is not None and sessionless_scope is not None:
        # The response that started the session may have been lost, or the first request may arrive after this one.
        used = await idempotency.claim(tx, sessionless_scope, key.key, key.fingerprint)
        if used is not None:
            return used
    used = await idempotency.claim(tx, scope, key.key, key.fingerprint)
    if used is not None and used.fingerprint != key.fingerprint:
        raise BadRequest(_OTHER_REQUEST)
    return used


async def save_created(
    tx: Transaction, key: IdempotencyKey, sender: Owner | None, owner: Owner, resume_id: int
) -> None:
    """Store the created resume for the sender, for its owner, and for the same request without a session."""
    scopes = {key.scope(sender), key.scope(owner)}
    if owner.session_id is not None:
        scopes.add(key.scope(None))
    for scope in scopes:
        if scope is not None:
            await idempotency.save(tx, scope, key.key, key.fingerprint, owner, resume_id)
