"""Register, read, change and delete accounts."""

from dataclasses import replace
from typing import TypeVar

from cv_common.drf.body import ParsedBody
from cv_common.kernel.database import Transaction
from cv_common.kernel.errors import UserNotFound, ValidationFailed
from cv_common.kernel.identity import Caller
from cv_common.kernel.revision import next_revision
from cv_common.messaging import outbox
from cv_common.messaging.events import UserDeleted
from psycopg.errors import UniqueViolation

from cv_auth import repository
from cv_auth.actions import sessions
from cv_auth.actions.context import Context
from cv_auth.domain.accounts import Account, Credentials, Person
from cv_auth.domain.passwords import password_problems
from cv_auth.schemas import ChangePasswordBody, EraseBody, ProfileBody, RegisterBody

Errors = dict[str, list[str]]
Found = TypeVar("Found")

_USERNAME_TAKEN = {"username": ["This username is already taken."]}
_EMAIL_TAKEN = {"email": ["This email is already registered."]}
_WRONG = "Wrong password."
_CONSTRAINT_ERRORS = {"users_username": _USERNAME_TAKEN, "users_email": _EMAIL_TAKEN}
"""The field errors for each unique index."""


async def register(context: Context, caller: Caller, body: ParsedBody[RegisterBody]) -> Account:
    """Create an account, which takes over the caller's anonymous session.

    Raises ValidationFailed with all errors, and ServiceUnavailable if the password hasher's queue is full.
    """
    username, email = _names(body)
    password, password2 = body.get(lambda fields: fields.password), body.get(lambda fields: fields.password2)
    person = Person(
        username or "",
        email or "",
        body.get(lambda fields: fields.first_name) or "",
        body.get(lambda fields: fields.last_name) or "",
        body.get(lambda fields: fields.phone),
    )
    errors = _new_password_errors(person, "password", password, password2, "Passwords must match.")
    await _fill_skeletons(context, username)
    async with context.database.connection() as tx:
        errors |= await _taken_errors(tx, username, email)
        errors |= await _skeleton_errors(tx, username)
    password_hash = await context.hasher.hash(body.validated(errors).password)
    try:
        async with context.database.transaction() as tx:
            await repository.lock_skeletons(tx, person.username)
            if errors := await _skeleton_errors(tx, person.username):
                raise ValidationFailed(errors)
            user_id = await repository.insert_account(tx, person, password_hash)
            claimed = await sessions.claim(tx, caller, user_id)
            account = _existing(await repository.find_account(tx, user_id))
    except UniqueViolation as error:
        raise _taken_meanwhile(error) from None
    await sessions.propagate_claim(context, claimed, user_id)
    return account


async def get_account(context: Context, user_id: int) -> Account:
    """Return an account with its subscription. Raises UserNotFound."""
    async with context.database.connection() as tx:
        return _existing(await repository.find_account(tx, user_id))


async def change_profile(context: Context, user_id: int, body: ParsedBody[ProfileBody]) -> Account:
    """Change the fields that were sent. Raises ValidationFailed and UserNotFound."""
    username, email = _names(body)
    await _fill_skeletons(context, username)
    try:
        async with context.database.transaction() as tx:
            stored = _existing(await repository.lock_person(tx, user_id))
            person = replace(stored, **body.sent())
            errors = await _taken_errors(tx, username, email, user_id)
            if person.username.lower() != stored.username.lower():
                await repository.lock_skeletons(tx, person.username)
                errors |= await _skeleton_errors(tx, person.username, user_id)
            body.validated(errors)
            await repository.update_person(tx, user_id, person)
            return _existing(await repository.find_account(tx, user_id))
    except UniqueViolation as error:
        raise _taken_meanwhile(error) from None


async def change_password(context: Context, user_id: int, body: ParsedBody[ChangePasswordBody]) -> None:
    """Replace the password and end all refresh tokens. Raises ValidationFailed, UserNotFound and ServiceUnavailable."""
    old, new = body.get(lambda fields: fields.old_password), body.get(lambda fields: fields.new_password)
    user = await _get_credentials(context, user_id)
    errors: Errors = {}
    if old is not None and not await context.hasher.verify(user.password_hash, old):
        errors["old_password"] = [_WRONG]
    errors |= _new_password_errors(
        user, "new_password", new, body.get(lambda fields: fields.new_password2), "New passwords must match."
    )
    new_password_hash = await context.hasher.hash(body.validated(errors).new_password)
    async with context.database.transaction() as tx:
        if not await repository.update_password(tx, user_id, user.password_hash, new_password_hash):
            raise ValidationFailed.on("old_password", _WRONG)
        await repository.delete_tokens(tx, user_id)


async def erase(context: Context, user_id: int, body: EraseBody) -> None:
    """Delete the account, and by event its data in other services.

    Raises ValidationFailed, UserNotFound and ServiceUnavailable.
    """
    user = await _get_credentials(context, user_id)
    if not await context.hasher.verify(user.password_hash, body.password):
        raise ValidationFailed.on("password", _WRONG)
    async with context.database.transaction() as tx:
        if not await repository.delete_account(tx, user_id, user.password_hash):
            raise ValidationFailed.on("password", _WRONG)
        await outbox.record(tx, UserDeleted(user_id=user_id, revision=next_revision(0)))


async def _get_credentials(context: Context, user_id: int) -> Credentials:
    async with context.database.connection() as tx:
        return _existing(await repository.find_credentials(tx, user_id))


def _existing(found: Found | None) -> Found:
    """Return `found`. Raises UserNotFound if it is None."""
    if found is None:
        raise UserNotFound
    return found


# In the functions below, None is a field that is absent or invalid: it has no further errors.


def _names(body: ParsedBody[ProfileBody] | ParsedBody[RegisterBody]) -> tuple[str | None, str | None]:
    """Return the username and the email of a body, each None if it is absent or invalid."""
    return body.get(lambda fields: fields.username), body.get(lambda fields: fields.email)


def _new_password_errors(
    person: Person, field: str, password: str | None, repeated: str | None, mismatch: str
) -> Errors:
    """Return the errors of a new password in `field`, and of its repetition in the field with a 2 at the end."""
    if password is None:
        return {}
    errors = {}
    if problems := password_problems(password, person):
        errors[field] = problems
    if repeated is not None and repeated != password:
        errors[f"{field}2"] = [mismatch]
    return errors


async def _fill_skeletons(context: Context, username: str | None) -> None:
    """Compute the skeletons that rows of an earlier release lack, before a username is compared with them.

    The transaction is separate, so that no other lock is held meanwhile.
    """
    if username is not None:
        async with context.database.transaction() as tx:
            await repository.fill_skeletons(tx)


async def _taken_errors(tx: Transaction, username: str | None, email: str | None, user_id: int | None = None) -> Errors:
    """Return the errors for names that belong to an account other than `user_id`."""
    if username is None and email is None:
        return {}
    taken = await repository.find_taken_names(tx, username, email, user_id)
    return (_USERNAME_TAKEN if taken.username else {}) | (_EMAIL_TAKEN if taken.email else {})


async def _skeleton_errors(tx: Transaction, username: str | None, user_id: int | None = None) -> Errors:
    """Return an error for a username that looks like the one of an account other than `user_id`."""
    if username is None or not await repository.is_skeleton_taken(tx, username, user_id):
        return {}
    return _USERNAME_TAKEN


def _taken_meanwhile(error: UniqueViolation) -> ValidationFailed:
    """Return the error for a name that another request took after it was checked."""
    return ValidationFailed(_CONSTRAINT_ERRORS[error.diag.constraint_name or ""])
