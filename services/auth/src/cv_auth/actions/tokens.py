"""Logging in and out: access tokens that cannot be ended, and refresh tokens that can."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from cv_common.drf.body import validate
from cv_common.kernel.database import Row
from cv_common.kernel.errors import NotAuthenticated, TokenInvalid
from cv_common.kernel.identity import Caller

from cv_auth import repository
from cv_auth.actions import sessions
from cv_auth.actions.context import Context
from cv_auth.schemas import LoginBody, RefreshBody

log = logging.getLogger(__name__)


async def login(context: Context, caller: Caller, data: Any) -> dict[str, str]:
    """An access token and a refresh token; the caller's anonymous session becomes the account's.

    Raises NotAuthenticated, in the same words and after the same time for an unknown address and a wrong password.
    """
    body = validate(data, LoginBody)
    async with context.database.connection() as tx:
        user = await repository.credentials_by_email(tx, body.email)
    matches = await context.hasher.verify(user["password_hash"] if user else None, body.password)
    if user is None or not matches:
        raise _login_failed()
    user_id, password_hash = user["id"], user["password_hash"]
    improved = await context.hasher.improved(password_hash, body.password)
    now, token_id = datetime.now(UTC), uuid4()
    expires_at = now + timedelta(seconds=context.settings.refresh_token_lifetime)
    async with context.database.transaction() as tx:
        if improved is not None and await repository.change_password(tx, user_id, password_hash, improved):
            password_hash = improved
        if not await repository.add_token(tx, token_id, user_id, password_hash, expires_at):
            raise _login_failed()
        claimed = await sessions.claim(tx, caller, user_id)
    await sessions.tell(context, claimed, user_id)
    return {
        "access": _access_token(context, user, now),
        "refresh": context.token_keys.refresh_token(user_id, token_id, now, expires_at),
    }


async def refresh(context: Context, data: Any) -> str:
    """A new access token for a refresh token. Raises TokenInvalid."""
    token_id = context.token_keys.refresh_token_id(validate(data, RefreshBody).refresh)
    if token_id is None:
        raise TokenInvalid
    async with context.database.connection() as tx:
        user = await repository.token_owner(tx, token_id)
    if user is None:
        raise TokenInvalid
    return _access_token(context, user, datetime.now(UTC))


async def logout(context: Context, data: Any) -> None:
    """End a refresh token. Raises TokenInvalid."""
    token_id = context.token_keys.refresh_token_id(validate(data, RefreshBody).refresh)
    if token_id is None:
        raise TokenInvalid
    async with context.database.connection() as tx:
        if not await repository.end_token(tx, token_id):
            raise TokenInvalid


async def purge_tokens(context: Context) -> None:
    """Forget refresh tokens that have expired."""
    purged = 0
    async with context.database.connection() as tx:
        while some := await repository.purge_tokens(tx):
            purged += some
    log.info("expired refresh tokens purged", extra={"purged": purged})


def _access_token(context: Context, user: Row, now: datetime) -> str:
    return context.token_keys.access_token(user["id"], user["email"], now, context.settings.access_token_lifetime)


def _login_failed() -> NotAuthenticated:
    return NotAuthenticated("No active account found with the given credentials")
