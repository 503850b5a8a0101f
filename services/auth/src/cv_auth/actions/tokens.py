"""Log in, refresh and log out. Access tokens cannot be revoked; refresh tokens can."""

import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from cv_common.kernel.errors import NotAuthenticated, TokenInvalid
from cv_common.kernel.identity import Caller

from cv_auth import repository
from cv_auth.actions import sessions
from cv_auth.actions.context import Context
from cv_auth.domain.tokens import Tokens
from cv_auth.schemas import LoginBody, RefreshBody

log = logging.getLogger(__name__)

_LOGIN_FAILED = "No active account found with the given credentials"


async def login(context: Context, caller: Caller, body: LoginBody) -> Tokens:
    """Issue tokens; the account takes over the caller's anonymous session.

    Raises NotAuthenticated, with equal text and timing for an unknown address and a wrong password.
    """
    async with context.database.connection() as tx:
        user = await repository.find_credentials_by_email(tx, body.email)
    matches = await context.hasher.verify(user.password_hash if user else None, body.password)
    if user is None or not matches:
        raise NotAuthenticated(_LOGIN_FAILED)
    password_hash = user.password_hash
    new_hash = await context.hasher.rehash_if_needed(password_hash, body.password)
    now, token_id = datetime.now(UTC), uuid4()
    expires_at = now + timedelta(seconds=context.settings.refresh_token_lifetime)
    async with context.database.transaction() as tx:
        if new_hash is not None and await repository.update_password(tx, user.id, password_hash, new_hash):
            password_hash = new_hash
        if not await repository.insert_token(tx, token_id, user.id, password_hash, expires_at):
            raise NotAuthenticated(_LOGIN_FAILED)
        claimed = await sessions.claim(tx, caller, user.id)
    await sessions.propagate_claim(context, claimed, user.id)
    return Tokens(
        access=_access_token(context, user.id, user.email, now),
        refresh=context.token_keys.refresh_token(user.id, token_id, now, expires_at),
    )


async def refresh(context: Context, body: RefreshBody) -> str:
    """Return a new access token for a refresh token. Raises TokenInvalid."""
    token_id = _token_id(context, body)
    async with context.database.connection() as tx:
        owner = await repository.find_token_owner(tx, token_id)
    if owner is None:
        raise TokenInvalid
    return _access_token(context, owner.id, owner.email, datetime.now(UTC))


async def logout(context: Context, body: RefreshBody) -> None:
    """Revoke a refresh token. Raises TokenInvalid."""
    token_id = _token_id(context, body)
    async with context.database.connection() as tx:
        if not await repository.delete_token(tx, token_id):
            raise TokenInvalid


async def purge_tokens(context: Context) -> None:
    """Delete expired refresh tokens."""
    purged = 0
    async with context.database.connection() as tx:
        while deleted := await repository.delete_expired_tokens(tx):
            purged += deleted
    log.info("expired refresh tokens purged", extra={"purged": purged})


def _token_id(context: Context, body: RefreshBody) -> UUID:
    token_id = context.token_keys.refresh_token_id(body.refresh)
    if token_id is None:
        raise TokenInvalid
    return token_id


def _access_token(context: Context, user_id: int, email: str, now: datetime) -> str:
    return context.token_keys.access_token(user_id, email, now, context.settings.access_token_lifetime)
