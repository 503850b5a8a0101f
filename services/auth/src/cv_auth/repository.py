"""All SQL of the auth service."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from cv_common.drf.addresses import email_spellings
from cv_common.kernel.database import Row, Statement, Transaction
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

from cv_auth.domain.usernames import skeletons
from cv_auth.tables import claimed_sessions, refresh_tokens, subscriptions, users


def _given(column: Column[Any]) -> ColumnElement[Any]:
    """A parameter of the column's name and type."""
    return bindparam(column.name, type_=column.type)


_USER_ID = bindparam("user_id", type_=BigInteger)
_ME = users.c.id == _USER_ID
_SAME_PASSWORD = users.c.password_hash == _given(users.c.password_hash)
_EMAIL_PARAMETERS = ("email", "other_email", "another_email")
_SAME_EMAIL = func.lower(users.c.email).in_(
    [func.lower(bindparam(name, type_=users.c.email.type)) for name in _EMAIL_PARAMETERS]
)
_SAME_USERNAME = func.lower(users.c.username) == func.lower(_given(users.c.username))
_PERSON = (users.c.username, users.c.email, users.c.first_name, users.c.last_name, users.c.phone)

_PROFILE = Statement(
    select(
        users.c.id,
        *_PERSON,
        users.c.created_at,
        subscriptions.c.subscription_type,
        subscriptions.c.subscription_end_date,
        subscriptions.c.entitled_until,
    )
    .outerjoin(subscriptions, subscriptions.c.user_id == users.c.id)
    .where(_ME)
)
_CREDENTIALS = Statement(select(users.c.id, *_PERSON, users.c.password_hash).where(_ME))
_CREDENTIALS_BY_EMAIL = Statement(
    select(users.c.id, users.c.email, users.c.password_hash)
    .where(_SAME_EMAIL)
    # Two accounts of one mailbox may be left from when its spellings were not known as one.
    .order_by((func.lower(users.c.email) == func.lower(_given(users.c.email))).desc(), users.c.id)
    .limit(1)
)
_LOCK_PERSON = Statement(select(*_PERSON).where(_ME).with_for_update())
_OTHERS = users.c.id.is_distinct_from(_USER_ID)
_TAKEN = Statement(
    select(
        exists().where(_SAME_USERNAME, _OTHERS).label("username"),
        exists().where(_SAME_EMAIL, _OTHERS).label("email"),
    )
)
_SAME_SKELETON = Statement(
    select(users.c.id).where(users.c.username_skeletons.overlap(_given(users.c.username_skeletons)), _OTHERS).limit(1)
)
_WITHOUT_SKELETONS = Statement(
    select(users.c.id, users.c.username)
    .where(users.c.skeletons_of.is_distinct_from(users.c.username))
    .order_by(users.c.id)
    .limit(200)
    .with_for_update(skip_locked=True)
)
_SKELETONS = (users.c.username_skeletons, users.c.skeletons_of)
_KEEP_SKELETONS = Statement(update(users).where(_ME).values({column.name: _given(column) for column in _SKELETONS}))
_ADD = Statement(
    insert(users)
    .values({column.name: _given(column) for column in (*_PERSON, *_SKELETONS, users.c.password_hash)})
    .returning(users.c.id)
)
_CHANGE_PERSON = Statement(
    update(users).where(_ME).values({column.name: _given(column) for column in (*_PERSON, *_SKELETONS)})
)
_CHANGE_PASSWORD = Statement(
    update(users).where(_ME, _SAME_PASSWORD).values(password_hash=bindparam("new_password_hash"))
)
_REMOVE = Statement(delete(users).where(_ME, _SAME_PASSWORD))


async def profile(tx: Transaction, user_id: int) -> Row | None:
    """The account with what is known of its subscription, or None."""
    return await tx.fetch_one(_PROFILE, user_id=user_id)


async def credentials(tx: Transaction, user_id: int) -> Row | None:
    """What an account's password is checked by, the old one and a new one, or None."""
    return await tx.fetch_one(_CREDENTIALS, user_id=user_id)


async def credentials_by_email(tx: Transaction, email: str) -> Row | None:
    """The `id`, `email` and `password_hash` of the account with this address, however it is written, or None."""
    return await tx.fetch_one(_CREDENTIALS_BY_EMAIL, **_spelled(email))


async def lock_person(tx: Transaction, user_id: int) -> Row | None:
    """What people say of themselves; nobody else changes it until `tx` ends."""
    return await tx.fetch_one(_LOCK_PERSON, user_id=user_id)


async def taken(tx: Transaction, username: str | None, email: str | None, user_id: int | None = None) -> Row:
    """Which of the two belong to somebody other than `user_id`: `{"username": True, "email": False}`."""
    row = await tx.fetch_one(_TAKEN, username=username, user_id=user_id, **_spelled(email))
    assert row is not None
    return row


def _spelled(email: str | None) -> dict[str, str | None]:
    """An address in each spelling, for the accounts that were stored as they were typed."""
    return dict(zip(_EMAIL_PARAMETERS, email_spellings(email) if email is not None else (None,) * 3, strict=True))


async def fill_skeletons(tx: Transaction) -> None:
    """Compute the skeletons that the release before left out, of a limited number of accounts.

    Accounts that somebody is changing are left for the next time.
    """
    for row in await tx.fetch_all(_WITHOUT_SKELETONS):
        await tx.execute(_KEEP_SKELETONS, user_id=row["id"], **_skeletons_of(row["username"]))


async def lock_skeletons(tx: Transaction, username: str) -> None:
    """Nobody else takes a username that looks like this one before `tx` ends."""
    for skeleton in skeletons(username):
        await tx.lock("username", skeleton)


async def is_skeleton_taken(tx: Transaction, username: str, user_id: int | None = None) -> bool:
    """Does somebody other than `user_id` have a username that can be taken for this one?"""
    return await tx.fetch_one(_SAME_SKELETON, username_skeletons=skeletons(username), user_id=user_id) is not None


def _skeletons_of(username: str) -> dict[str, str | list[str]]:
    return {"username_skeletons": skeletons(username), "skeletons_of": username}


async def add(tx: Transaction, person: Mapping[str, Any], password_hash: str) -> int:
    """Insert an account; its id. Raises UniqueViolation of `users_username` or `users_email`."""
    row = await tx.fetch_one(_ADD, **person, **_skeletons_of(person["username"]), password_hash=password_hash)
    assert row is not None
    return int(row["id"])


async def change_person(tx: Transaction, user_id: int, person: Mapping[str, Any]) -> None:
    """Write what people say of themselves. Raises UniqueViolation as `add` does."""
    await tx.execute(_CHANGE_PERSON, user_id=user_id, **person, **_skeletons_of(person["username"]))


async def change_password(tx: Transaction, user_id: int, password_hash: str, new_password_hash: str) -> bool:
    """Replace the password hash, unless it is another one by now."""
    return (
        await tx.execute(
            _CHANGE_PASSWORD, user_id=user_id, password_hash=password_hash, new_password_hash=new_password_hash
        )
        == 1
    )


async def remove(tx: Transaction, user_id: int, password_hash: str) -> bool:
    """Delete the account and all that hangs on it, unless its password is another one by now."""
    return await tx.execute(_REMOVE, user_id=user_id, password_hash=password_hash) == 1


# The share lock makes a change of password wait for the new token, and end it too.
_ADD_TOKEN = Statement(
    insert(refresh_tokens).from_select(
        ["id", "user_id", "expires_at"],
        select(bindparam("token_id", type_=refresh_tokens.c.id.type), users.c.id, _given(refresh_tokens.c.expires_at))
        .where(_ME, _SAME_PASSWORD)
        .with_for_update(read=True),
    )
)
_TOKEN = refresh_tokens.c.id == bindparam("token_id", type_=refresh_tokens.c.id.type)
_TOKEN_OWNER = Statement(
    select(users.c.id, users.c.email).join(refresh_tokens, refresh_tokens.c.user_id == users.c.id).where(_TOKEN)
)
_END_TOKEN = Statement(delete(refresh_tokens).where(_TOKEN))
_END_TOKENS = Statement(delete(refresh_tokens).where(refresh_tokens.c.user_id == _USER_ID))
_IS_EXPIRED = refresh_tokens.c.expires_at <= func.now()
_SOME_EXPIRED = func.array(
    select(refresh_tokens.c.id).where(_IS_EXPIRED).limit(1000).scalar_subquery(), type_=ARRAY(refresh_tokens.c.id.type)
)
_PURGE_TOKENS = Statement(delete(refresh_tokens).where(refresh_tokens.c.id == any_(_SOME_EXPIRED)))


async def add_token(tx: Transaction, token_id: UUID, user_id: int, password_hash: str, expires_at: datetime) -> bool:
    """Record a refresh token, unless the account is gone or its password is another one by now."""
    return (
        await tx.execute(
            _ADD_TOKEN, token_id=token_id, user_id=user_id, password_hash=password_hash, expires_at=expires_at
        )
        == 1
    )


async def token_owner(tx: Transaction, token_id: UUID) -> Row | None:
    """The `id` and `email` of whose refresh token this is, if it has not ended."""
    return await tx.fetch_one(_TOKEN_OWNER, token_id=token_id)


async def end_token(tx: Transaction, token_id: UUID) -> bool:
    """End a refresh token; False when it had ended already."""
    return await tx.execute(_END_TOKEN, token_id=token_id) == 1


async def end_tokens(tx: Transaction, user_id: int) -> None:
    """End all refresh tokens of an account."""
    await tx.execute(_END_TOKENS, user_id=user_id)


async def purge_tokens(tx: Transaction) -> int:
    """Forget some of the expired refresh tokens; how many those were."""
    return await tx.execute(_PURGE_TOKENS)


_CLAIM = Statement(
    upsert(claimed_sessions)
    .values(session_id=bindparam("session_id"), user_id=bindparam("user_id"))
    .on_conflict_do_nothing()
)


_ENDED_SESSIONS = Statement(
    select(claimed_sessions.c.session_id, claimed_sessions.c.into_session_id).where(
        claimed_sessions.c.session_id == any_(bindparam("session_ids", type_=ARRAY(String)))
    )
)
_MERGE = Statement(
    insert(claimed_sessions).values(session_id=bindparam("session_id"), into_session_id=bindparam("into_session_id"))
)
_MERGED_INTO = claimed_sessions.c.into_session_id == bindparam("merged_into")
_MERGE_MERGED = Statement(
    update(claimed_sessions)
    .where(_MERGED_INTO)
    .values(into_session_id=bindparam("into_session_id"))
    .returning(claimed_sessions.c.session_id)
)
_CLAIM_MERGED = Statement(
    update(claimed_sessions)
    .where(_MERGED_INTO)
    .values(into_session_id=None, user_id=bindparam("user_id"))
    .returning(claimed_sessions.c.session_id)
)


async def lock_sessions(tx: Transaction, session_ids: Sequence[str]) -> None:
    """Nobody else ends one of these sessions before `tx` ends. One order for all avoids deadlocks."""
    for session_id in sorted(session_ids):
        await tx.lock("session", session_id)


async def claim_session(tx: Transaction, session_id: str, user_id: int) -> bool:
    """Note that a locked session belongs to an account; False when it has ended before."""
    return await tx.execute(_CLAIM, session_id=session_id, user_id=user_id) == 1


async def claim_merged_sessions(tx: Transaction, session_id: str, user_id: int) -> list[str]:
    """Note that the sessions that were merged into a session belong to its account; their ids."""
    rows = await tx.fetch_all(_CLAIM_MERGED, merged_into=session_id, user_id=user_id)
    return [row["session_id"] for row in rows]


async def ended_sessions(tx: Transaction, session_ids: Sequence[str]) -> dict[str, str | None]:
    """Those of the sessions that have ended, each with the session it was merged into, if it was."""
    rows = await tx.fetch_all(_ENDED_SESSIONS, session_ids=list(session_ids))
    return {row["session_id"]: row["into_session_id"] for row in rows}


async def merge_session(tx: Transaction, session_id: str, into_session_id: str) -> list[str]:
    """End a live, locked session in favor of another. Its id, and those of all that were merged into it before."""
    await tx.execute(_MERGE, session_id=session_id, into_session_id=into_session_id)
    rows = await tx.fetch_all(_MERGE_MERGED, merged_into=session_id, into_session_id=into_session_id)
    return [session_id, *(row["session_id"] for row in rows)]


def _keep_newer_subscription() -> Statement:
    """Insert a state, or replace an older one; an account that is being erased is waited for and left alone."""
    state = [column for column in subscriptions.c if column.name != "user_id"]
    statement = upsert(subscriptions).from_select(
        ["user_id", *(column.name for column in state)],
        select(users.c.id, *(_given(column) for column in state)).where(_ME).with_for_update(read=True, key_share=True),
    )
    return Statement(
        statement.on_conflict_do_update(
            index_elements=["user_id"],
            set_={column.name: statement.excluded[column.name] for column in state},
            where=subscriptions.c.revision < statement.excluded.revision,
        )
    )


_KEEP_SUBSCRIPTION = _keep_newer_subscription()


async def keep_subscription(tx: Transaction, user_id: int, state: Mapping[str, Any]) -> None:
    """Remember an account's subscription, unless something newer is known or the account is gone."""
    await tx.execute(_KEEP_SUBSCRIPTION, user_id=user_id, **state)
