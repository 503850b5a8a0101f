"""Register, read, change and delete accounts."""

from dataclasses import replace

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
from cv_auth.schemas import ChangePasswordBody, EraseBody, ProfileBody, RegisterBody, person_of

Errors = dict[str, list[str]]

_USERNAME_TAKEN = {"username": ["This username is already taken."]}
_EMAIL_TAKEN = {"email": ["This email is already registered."]}
_CONSTRAINT_ERRORS = {"users_username": _USERNAME_TAKEN, "users_email": _EMAIL_TAKEN}
"""The field errors for each unique index."""


async def register(context: Context, caller: Caller, body: ParsedBody[RegisterBody]) -> Account:
    """Create an account, which takes over the caller's anonymous session.

    Raises ValidationFailed with all errors, and ServiceUnavailable if the password hasher's queue is full.
    """
    username, email = _names(body)
    password, password2 = body.get(lambda fields: fields.password), body.get(lambda fields: fields.password2)
    person = person_of(body)
    errors = _new_password_errors(person, "password", password)
    errors |= _repetition_errors("password2", password, password2, "Passwords must match.")
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
            account = await _get_account(tx, user_id)
    except UniqueViolation as error:
        raise _taken_meanwhile(error) from None
    await sessions.propagate_claim(context, claimed, user_id)
    return account


async def get_account(context: Context, user_id: int) -> Account:
    """An account with its subscription. Raises UserNotFound."""
    async with context.database.connection() as tx:
        return await _get_account(tx, user_id)


async def change_profile(context: Context, user_id: int, body: ParsedBody[ProfileBody]) -> Account:
    """Change the fields that were sent. Raises ValidationFailed and UserNotFound."""
    username, email = _names(body)
    await _fill_skeletons(context, username)
    try:
        async with context.database.transaction() as tx:
            stored = await repository.lock_person(tx, user_id)
            if stored is None:
                raise UserNotFound
            person = replace(stored, **body.sent())
            errors = await _taken_errors(tx, username, email, user_id)
            if person.username.lower() != stored.username.lower():
                await repository.lock_skeletons(tx, person.username)
                errors |= await _skeleton_errors(tx, person.username, user_id)
            body.validated(errors)
            await repository.update_person(tx, user_id, person)
            return await _get_account(tx, user_id)
    except UniqueViolation as error:
        raise _taken_meanwhile(error) from None


async def change_password(context: Context, user_id: int, body: ParsedBody[ChangePasswordBody]) -> None:
    """Replace the password and end all refresh tokens. Raises ValidationFailed, UserNotFound and ServiceUnavailable."""
    old, new = body.get(lambda fields: fields.old_password), body.get(lambda fields: fields.new_password)
    user = await _get_credentials(context, user_id)
    errors = _new_password_errors(user, "new_password", new)
    if old is not None and not await context.hasher.verify(user.password_hash, old):
        errors |= _wrong_password("old_password")
    errors |= _repetition_errors(
        "new_password2", new, body.get(lambda fields: fields.new_password2), "New passwords must match."
    )
    new_password_hash = await context.hasher.hash(body.validated(errors).new_password)
    async with context.database.transaction() as tx:
        if not await repository.update_password(tx, user_id, user.password_hash, new_password_hash):
            raise ValidationFailed(_wrong_password("old_password"))
        await repository.delete_tokens(tx, user_id)


async def erase(context: Context, user_id: int, body: EraseBody) -> None:
    """Delete the account, and by event its data in other services.

    Raises ValidationFailed, UserNotFound and ServiceUnavailable.
    """
    user = await _get_credentials(context, user_id)
    if not await context.hasher.verify(user.password_hash, body.password):
        raise ValidationFailed(_wrong_password("password"))
    async with context.database.transaction() as tx:
        if not await repository.delete_account(tx, user_id, user.password_hash):
            raise ValidationFailed(_wrong_password("password"))
        await outbox.record(tx, UserDeleted(user_id=user_id, revision=next_revision(0)))


async def _get_account(tx: Transaction, user_id: int) -> Account:
    account = await repository.find_account(tx, user_id)
    if account is None:
        raise UserNotFound
    return account


async def _get_credentials(context: Context, user_id: int) -> Credentials:
    async with context.database.connection() as tx:
        credentials = await repository.find_credentials(tx, user_id)
    if credentials is None:
        raise UserNotFound
    return credentials


# In the functions below, None is a field that is absent or invalid: it has no further errors.


def _names(body: ParsedBody[ProfileBody] | ParsedBody[RegisterBody]) -> tuple[str | None, str | None]:
    return body.get(lambda fields: fields.username), body.get(lambda fields: fields.email)


def _new_password_errors(person: Person, field: str, password: str | None) -> Errors:
    problems = password_problems(password, person) if password is not None else []
    return {field: problems} if problems else {}


def _repetition_errors(field: str, password: str | None, repeated: str | None, message: str) -> Errors:
    if password is None or repeated is None or password == repeated:
        return {}
    return {field: [message]}


async def _fill_skeletons(context: Context, username: str | None) -> None:
    """Compute the skeletons that rows of an earlier release lack, before a username is compared with them.

    The transaction is separate, so that no other lock is held meanwhile.
    """
    if username is not None:
        async with context.database.transaction() as tx:
            await repository.fill_skeletons(tx)


async def _taken_errors(tx: Transaction, username: str | None, email: str | None, user_id: int | None = None) -> Errors:
    """Errors for names that belong to an account other than `user_id`."""
    if username is None and email is None:
        return {}
    taken = await repository.find_taken_names(tx, username, email, user_id)
    return (_USERNAME_TAKEN if taken.username else {}) | (_EMAIL_TAKEN if taken.email else {})


async def _skeleton_errors(tx: Transaction, username: str | None, user_id: int | None = None) -> Errors:
    """An error for a username that looks like the one of an account other than `user_id`."""
    if username is None or not await repository.is_skeleton_taken(tx, username, user_id):
        return {}
    return _USERNAME_TAKEN


def _taken_meanwhile(error: UniqueViolation) -> ValidationFailed:
    """The error for a name that another request took after it was checked."""
    return ValidationFailed(_CONSTRAINT_ERRORS[error.diag.constraint_name or ""])


def _wrong_password(field: str) -> Errors:
    return {field: ["Wrong password."]}
