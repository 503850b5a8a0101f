"""Accounts: registered, read, changed, erased."""

from collections.abc import Mapping
from typing import Any

from cv_common.drf.body import partial, validate, validate_partial
from cv_common.kernel.database import Row, Transaction
from cv_common.kernel.errors import UserNotFound, ValidationFailed
from cv_common.kernel.identity import Caller
from cv_common.kernel.revision import next_revision
from cv_common.messaging import outbox
from cv_common.messaging.events import UserDeleted
from psycopg.errors import UniqueViolation

from cv_auth import repository
from cv_auth.actions import sessions
from cv_auth.actions.context import Context
from cv_auth.domain.passwords import password_problems
from cv_auth.schemas import ChangePasswordBody, EraseBody, ProfileBody, RegisterBody

Errors = dict[str, list[str]]

_TAKEN = {
    "username": "This username is already taken.",
    "email": "This email is already registered.",
}
_UNIQUE = {"users_username": "username", "users_email": "email"}
"""Unique indexes, and the field each one guards."""


async def register(context: Context, caller: Caller, data: Any) -> Row:
    """A new account, which the caller's anonymous session belongs to from now on.

    Raises ValidationFailed with everything that is wrong, and ServiceUnavailable when too many register at once.
    """
    body, errors = validate_partial(data, RegisterBody)
    sent = body.sent()
    _check_new_password(errors, sent, sent, "password", "password2", "Passwords must match.")
    await _fill_skeletons(context, sent)
    async with context.database.connection() as tx:
        await _check_taken(tx, errors, sent)
        if "username" in sent:
            await _check_skeletons(tx, errors, sent["username"])
    if errors:
        raise ValidationFailed(errors)
    person = body.model_dump(include=set(ProfileBody.model_fields))
    password_hash = await context.hasher.hash(body.password)
    try:
        async with context.database.transaction() as tx:
            await repository.lock_skeletons(tx, body.username)
            await _check_skeletons(tx, errors, body.username)
            if errors:
                raise ValidationFailed(errors)
            user_id = await repository.add(tx, person, password_hash)
            claimed = await sessions.claim(tx, caller, user_id)
            row = _found(await repository.profile(tx, user_id))
    except UniqueViolation as error:
        raise _lost_race(error) from None
    await sessions.tell(context, claimed, user_id)
    return row


async def profile(context: Context, user_id: int) -> Row:
    """An account with what is known of its subscription. Raises UserNotFound."""
    async with context.database.connection() as tx:
        return _found(await repository.profile(tx, user_id))


async def change_profile(context: Context, user_id: int, data: Any) -> Row:
    """Change the fields that were sent, and only those. Raises ValidationFailed and UserNotFound."""
    body, errors = validate_partial(data, partial(ProfileBody))
    sent = body.sent()
    await _fill_skeletons(context, sent)
    try:
        async with context.database.transaction() as tx:
            stored = _found(await repository.lock_person(tx, user_id))
            await _check_taken(tx, errors, sent, user_id)
            if "username" in sent and sent["username"].lower() != stored["username"].lower():
                await repository.lock_skeletons(tx, sent["username"])
                await _check_skeletons(tx, errors, sent["username"], user_id)
            if errors:
                raise ValidationFailed(errors)
            await repository.change_person(tx, user_id, {**stored, **sent})
            return _found(await repository.profile(tx, user_id))
    except UniqueViolation as error:
        raise _lost_race(error) from None


async def change_password(context: Context, user_id: int, data: Any) -> None:
    """Replace the password and end all refresh tokens. Raises ValidationFailed, UserNotFound and ServiceUnavailable."""
    body, errors = validate_partial(data, ChangePasswordBody)
    sent = body.sent()
    async with context.database.connection() as tx:
        user = _found(await repository.credentials(tx, user_id))
    if "old_password" in sent and not await context.hasher.verify(user["password_hash"], sent["old_password"]):
        errors |= _wrong("old_password")
    _check_new_password(errors, sent, user, "new_password", "new_password2", "New passwords must match.")
    if errors:
        raise ValidationFailed(errors)
    new_password_hash = await context.hasher.hash(body.new_password)
    async with context.database.transaction() as tx:
        if not await repository.change_password(tx, user_id, user["password_hash"], new_password_hash):
            raise ValidationFailed(_wrong("old_password"))
        await repository.end_tokens(tx, user_id)


async def erase(context: Context, user_id: int, data: Any) -> None:
    """Erase the account here, and by event everywhere. Raises ValidationFailed, UserNotFound and ServiceUnavailable."""
    body = validate(data, EraseBody)
    async with context.database.connection() as tx:
        user = _found(await repository.credentials(tx, user_id))
    if not await context.hasher.verify(user["password_hash"], body.password):
        raise ValidationFailed(_wrong("password"))
    async with context.database.transaction() as tx:
        if not await repository.remove(tx, user_id, user["password_hash"]):
            raise ValidationFailed(_wrong("password"))
        await outbox.record(tx, UserDeleted(user_id=user_id, revision=next_revision(0)))


def _check_new_password(
    errors: Errors, sent: Mapping[str, str], person: Mapping[str, str | None], field: str, again: str, mismatch: str
) -> None:
    """Add to `errors` what is wrong with a new password that was typed twice."""
    if field not in sent:
        return
    if problems := password_problems(sent[field], person):
        errors[field] = problems
    if again in sent and sent[again] != sent[field]:
        errors[again] = [mismatch]


async def _check_taken(tx: Transaction, errors: Errors, sent: Mapping[str, Any], user_id: int | None = None) -> None:
    """Add to `errors` which names are somebody else's."""
    if "username" in sent or "email" in sent:
        taken = await repository.taken(tx, sent.get("username"), sent.get("email"), user_id)
        errors |= {field: [_TAKEN[field]] for field, is_taken in taken.items() if is_taken}


async def _fill_skeletons(context: Context, sent: Mapping[str, Any]) -> None:
    """Complete other accounts before a username is compared with theirs: in a transaction that holds nothing else."""
    if "username" in sent:
        async with context.database.transaction() as tx:
            await repository.fill_skeletons(tx)


async def _check_skeletons(tx: Transaction, errors: Errors, username: str, user_id: int | None = None) -> None:
    """Add to `errors` whether a username looks like somebody else's."""
    if "username" not in errors and await repository.is_skeleton_taken(tx, username, user_id):
        errors["username"] = [_TAKEN["username"]]


def _lost_race(error: UniqueViolation) -> ValidationFailed:
    """The same answer for a name that was free a moment ago."""
    field = _UNIQUE[error.diag.constraint_name or ""]
    return ValidationFailed.on(field, _TAKEN[field])


def _wrong(field: str) -> Errors:
    return {field: ["Wrong password."]}


def _found(row: Row | None) -> Row:
    if row is None:
        raise UserNotFound
    return row
