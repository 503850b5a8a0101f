"""All SQL of the auth service."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from cv_common.drf.addresses import email_spellings
from cv_common.kernel.database import Query, Scalar, Statement, Transaction
from cv_common.kernel.revision import upsert_if_newer
from cv_common.messaging.events import SubscriptionChanged
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    String,
    any_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_auth.domain.accounts import Account, Credentials, EndedSession, Person, TakenNames, TokenOwner
from cv_auth.domain.usernames import skeletons
from cv_auth.tables import claimed_sessions, refresh_tokens, subscriptions, users


def _parameter(column: Column[Any]) -> ColumnElement[Any]:
    """Return a bind parameter with the column's name and type."""
    return bindparam(column.name, type_=column.type)


_USER_ID = bindparam("user_id", type_=BigInteger)
_IS_USER = users.c.id == _USER_ID
_SAME_PASSWORD = users.c.password_hash == _parameter(users.c.password_hash)
_EMAIL_PARAMETERS = ("email", "other_email", "another_email")
_SAME_EMAIL = func.lower(users.c.email).in_(
    [func.lower(bindparam(name, type_=users.c.email.type)) for name in _EMAIL_PARAMETERS]
)
_SAME_USERNAME = func.lower(users.c.username) == func.lower(_parameter(users.c.username))
_SUBSCRIPTION = (
    subscriptions.c.subscription_type,
    subscriptions.c.subscription_end_date,
    subscriptions.c.entitled_until,
)
_PERSON = (users.c.username, users.c.email, users.c.first_name, users.c.last_name, users.c.phone)

_ACCOUNT = Query(
    select(users.c.id, *_PERSON, users.c.created_at, *_SUBSCRIPTION)
    .outerjoin(subscriptions, subscriptions.c.user_id == users.c.id)
    .where(_IS_USER),
    Account,
)
_SELECT_CREDENTIALS = select(users.c.id, *_PERSON, users.c.password_hash)
_CREDENTIALS = Query(_SELECT_CREDENTIALS.where(_IS_USER), Credentials)
_CREDENTIALS_BY_EMAIL = Query(
    _SELECT_CREDENTIALS.where(_SAME_EMAIL)
    # Earlier releases allowed two accounts with different spellings of one mailbox.
    .order_by((func.lower(users.c.email) == func.lower(_parameter(users.c.email))).desc(), users.c.id)
    .limit(1),
    Credentials,
)
_LOCK_PERSON = Query(select(*_PERSON).where(_IS_USER).with_for_update(), Person)
_OTHERS = users.c.id.is_distinct_from(_USER_ID)
_TAKEN_NAMES = Query(
    select(
        exists().where(_SAME_USERNAME, _OTHERS).label("username"),
        exists().where(_SAME_EMAIL, _OTHERS).label("email"),
    ),
    TakenNames,
)
_IS_SKELETON_TAKEN = Scalar(
    select(exists().where(users.c.username_skeletons.overlap(_parameter(users.c.username_skeletons)), _OTHERS)),
    bool,
)
_WITHOUT_SKELETONS = Scalar(
    select(users.c.username)
    .where(users.c.skeletons_of.is_distinct_from(users.c.username))
    .order_by(users.c.id)
    .limit(200)
    .with_for_update(skip_locked=True),
    str,
)
_SKELETON_VALUES = {column.name: _parameter(column) for column in (users.c.username_skeletons, users.c.skeletons_of)}
_UPDATE_SKELETONS = Statement(update(users).where(_SAME_USERNAME).values(_SKELETON_VALUES))
_PERSON_VALUES = {column.name: _parameter(column) for column in _PERSON} | _SKELETON_VALUES
_INSERT_ACCOUNT = Scalar(
    insert(users).values(**_PERSON_VALUES, password_hash=bindparam("password_hash")).returning(users.c.id), int
)
_UPDATE_PERSON = Statement(update(users).where(_IS_USER).values(_PERSON_VALUES))
_UPDATE_PASSWORD = Statement(update(users).where(_IS_USER, _SAME_PASSWORD).values(password_hash=bindparam("new_hash")))
_DELETE_ACCOUNT = Statement(delete(users).where(_IS_USER, _SAME_PASSWORD))


async def find_account(tx: Transaction, user_id: int) -> Account | None:
    """Return the account with its subscription."""
    return await tx.fetch_one(_ACCOUNT, user_id=user_id)


async def find_credentials(tx: Transaction, user_id: int) -> Credentials | None:
    """Return the account with its password hash."""
    return await tx.fetch_one(_CREDENTIALS, user_id=user_id)


async def find_credentials_by_email(tx: Transaction, email: str) -> Credentials | None:
    """Return the account with this address, in any of its spellings."""
    return await tx.fetch_one(_CREDENTIALS_BY_EMAIL, **_email_parameters(email))


async def lock_person(tx: Transaction, user_id: int) -> Person | None:
    """Return the editable fields of an account, locked until `tx` ends."""
    return await tx.fetch_one(_LOCK_PERSON, user_id=user_id)


async def find_taken_names(
    tx: Transaction, username: str | None, email: str | None, user_id: int | None = None
) -> TakenNames:
    """Return which of the two names belong to an account other than `user_id`."""
    taken = await tx.fetch_one(_TAKEN_NAMES, username=username, user_id=user_id, **_email_parameters(email))
    assert taken is not None
    return taken


def _email_parameters(email: str | None) -> dict[str, str | None]:
    """Return all spellings of an address: earlier releases stored addresses as they were typed."""
    return dict(zip(_EMAIL_PARAMETERS, email_spellings(email) if email is not None else (None,) * 3, strict=True))


async def fill_skeletons(tx: Transaction) -> None:
    """Compute the skeletons of up to 200 accounts that a previous release wrote without them; skip locked accounts."""
    for username in await tx.fetch_all(_WITHOUT_SKELETONS):
        await tx.execute(_UPDATE_SKELETONS, username=username, **_skeleton_values(username))


async def lock_skeletons(tx: Transaction, username: str) -> None:
    """Wait until no other transaction takes a username that looks like this one; hold the lock until `tx` ends."""
    for skeleton in skeletons(username):
        await tx.lock("username", skeleton)


async def is_skeleton_taken(tx: Transaction, username: str, user_id: int | None = None) -> bool:
    """Return whether an account other than `user_id` has a username that looks like this one."""
    return bool(await tx.fetch_one(_IS_SKELETON_TAKEN, username_skeletons=skeletons(username), user_id=user_id))


def _skeleton_values(username: str) -> dict[str, str | list[str]]:
    return {"username_skeletons": skeletons(username), "skeletons_of": username}


async def insert_account(tx: Transaction, person: Person, password_hash: str) -> int:
    """Insert an account and return its id. Raises UniqueViolation of `users_username` or `users_email`."""
    user_id = await tx.fetch_one(
        _INSERT_ACCOUNT, **asdict(person), **_skeleton_values(person.username), password_hash=password_hash
    )
    assert user_id is not None
    return user_id


async def update_person(tx: Transaction, user_id: int, person: Person) -> None:
    """Write the editable fields of an account. Raises UniqueViolation as `insert_account` does."""
    await tx.execute(_UPDATE_PERSON, user_id=user_id, **asdict(person), **_skeleton_values(person.username))


async def update_password(tx: Transaction, user_id: int, password_hash: str, new_hash: str) -> bool:
    """Replace the password hash. Returns False if `password_hash` is no longer the current one."""
    return await tx.execute(_UPDATE_PASSWORD, user_id=user_id, password_hash=password_hash, new_hash=new_hash) == 1


async def delete_account(tx: Transaction, user_id: int, password_hash: str) -> bool:
    """Delete the account and its dependent rows. Returns False if `password_hash` is no longer the current one."""
    return await tx.execute(_DELETE_ACCOUNT, user_id=user_id, password_hash=password_hash) == 1


# The share lock makes a concurrent change of the password wait for the new token, and then delete it too.
_INSERT_TOKEN = Statement(
    insert(refresh_tokens).from_select(
        ["id", "user_id", "expires_at"],
        select(
            bindparam("token_id", type_=refresh_tokens.c.id.type), users.c.id, _parameter(refresh_tokens.c.expires_at)
        )
        .where(_IS_USER, _SAME_PASSWORD)
        .with_for_update(read=True),
    )
)
_IS_TOKEN = refresh_tokens.c.id == bindparam("token_id", type_=refresh_tokens.c.id.type)
_TOKEN_OWNER = Query(
    select(users.c.id, users.c.email).join(refresh_tokens, refresh_tokens.c.user_id == users.c.id).where(_IS_TOKEN),
    TokenOwner,
)
_DELETE_TOKEN = Statement(delete(refresh_tokens).where(_IS_TOKEN))
_DELETE_TOKENS = Statement(delete(refresh_tokens).where(refresh_tokens.c.user_id == _USER_ID))
_EXPIRED_BATCH = func.array(
    select(refresh_tokens.c.id).where(refresh_tokens.c.expires_at <= func.now()).limit(1000).scalar_subquery(),
    type_=ARRAY(refresh_tokens.c.id.type),
)
_DELETE_EXPIRED_TOKENS = Statement(delete(refresh_tokens).where(refresh_tokens.c.id == any_(_EXPIRED_BATCH)))


async def insert_token(tx: Transaction, token_id: UUID, user_id: int, password_hash: str, expires_at: datetime) -> bool:
    """Insert a refresh token. Returns False if the account is gone or `password_hash` is no longer the current one."""
    values = {"token_id": token_id, "user_id": user_id, "password_hash": password_hash, "expires_at": expires_at}
    return await tx.execute(_INSERT_TOKEN, **values) == 1


async def find_token_owner(tx: Transaction, token_id: UUID) -> TokenOwner | None:
    """Return the account of a refresh token that has not been revoked."""
    return await tx.fetch_one(_TOKEN_OWNER, token_id=token_id)


async def delete_token(tx: Transaction, token_id: UUID) -> bool:
    """Revoke a refresh token. Returns False if it does not exist."""
    return await tx.execute(_DELETE_TOKEN, token_id=token_id) == 1


async def delete_tokens(tx: Transaction, user_id: int) -> None:
    """Revoke all refresh tokens of an account."""
    await tx.execute(_DELETE_TOKENS, user_id=user_id)


async def delete_expired_tokens(tx: Transaction) -> int:
    """Delete up to 1000 expired refresh tokens and return their number."""
    return await tx.execute(_DELETE_EXPIRED_TOKENS)


_SESSION_ID = claimed_sessions.c.session_id
_CLAIM = Statement(
    upsert(claimed_sessions)
    .values(session_id=bindparam("session_id"), user_id=bindparam("user_id"))
    .on_conflict_do_nothing()
)
_ENDED_SESSIONS = Query(
    select(_SESSION_ID, claimed_sessions.c.into_session_id).where(
        any_(bindparam("session_ids", type_=ARRAY(String))) == _SESSION_ID
    ),
    EndedSession,
)
_MERGE = Statement(
    insert(claimed_sessions).values(session_id=bindparam("session_id"), into_session_id=bindparam("into_session_id"))
)
_MERGED_INTO = claimed_sessions.c.into_session_id == bindparam("merged_into")
_MERGE_MERGED = Scalar(
    update(claimed_sessions)
    .where(_MERGED_INTO)
    .values(into_session_id=bindparam("into_session_id"))
    .returning(_SESSION_ID),
    str,
)
_CLAIM_MERGED = Scalar(
    update(claimed_sessions)
    .where(_MERGED_INTO)
    .values(into_session_id=None, user_id=bindparam("user_id"))
    .returning(_SESSION_ID),
    str,
)


async def lock_sessions(tx: Transaction, session_ids: Sequence[str]) -> None:
    """Lock sessions against being ended elsewhere until `tx` ends. The sorted order avoids deadlocks."""
    for session_id in sorted(session_ids):
        await tx.lock("session", session_id)


async def claim_session(tx: Transaction, session_id: str, user_id: int) -> bool:
    """Record that a locked session belongs to an account. Returns False if the session has already ended."""
    return await tx.execute(_CLAIM, session_id=session_id, user_id=user_id) == 1


async def claim_merged_sessions(tx: Transaction, session_id: str, user_id: int) -> list[str]:
    """Record that the sessions merged into `session_id` belong to its account, and return their ids."""
    return await tx.fetch_all(_CLAIM_MERGED, merged_into=session_id, user_id=user_id)


async def list_ended_sessions(tx: Transaction, session_ids: Sequence[str]) -> list[EndedSession]:
    """Return those of the sessions that have ended."""
    return await tx.fetch_all(_ENDED_SESSIONS, session_ids=list(session_ids))


async def merge_session(tx: Transaction, session_id: str, into_session_id: str) -> list[str]:
    """End a locked session in favor of another. Returns its id and the ids of all sessions merged into it before."""
    await tx.execute(_MERGE, session_id=session_id, into_session_id=into_session_id)
    moved = await tx.fetch_all(_MERGE_MERGED, merged_into=session_id, into_session_id=into_session_id)
    return [session_id, *moved]


_SUBSCRIPTION_STATE = (*_SUBSCRIPTION, subscriptions.c.revision)
# The share lock waits for a concurrent deletion of the account. After it, SELECT finds no row and inserts nothing.
_UPSERT_SUBSCRIPTION = upsert_if_newer(
    subscriptions,
    ["user_id", *(column.name for column in _SUBSCRIPTION_STATE)],
    select(users.c.id, *(_parameter(column) for column in _SUBSCRIPTION_STATE))
    .where(_IS_USER)
    .with_for_update(read=True, key_share=True),
)


async def upsert_subscription(tx: Transaction, user_id: int, state: SubscriptionChanged) -> None:
    """Store the subscription of an account, unless a newer state is stored or the account is gone."""
    await tx.execute(
        _UPSERT_SUBSCRIPTION,
        user_id=user_id,
        subscription_type=state.subscription_type,
        subscription_end_date=state.subscription_end_date,
        entitled_until=state.entitled_until,
        revision=state.revision,
    )
