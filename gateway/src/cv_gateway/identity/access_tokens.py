"""Access tokens: EdDSA JWTs that auth signs and the gateway verifies with auth's published keys."""

import time
from typing import NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cv_common.kernel.identity import MAX_EMAIL, read_id, read_text

from cv_gateway.errors import BadAuthorization, BadToken
from cv_gateway.identity.keys import PublishedKeys

_ISSUER = "auth"
_KIND = "access"
_LEEWAY = 30
"""Seconds that the clocks of auth and gateway may differ."""
_REQUIRED = ["exp", "iat", "iss", "jti", "token_type", "user_id"]
_LONGEST = 4096
_REMEMBERED = 10_000


def bearer_token(authorization: bytes | None) -> str | None:
    """The token of an `Authorization: Bearer` header; None without one. Raises BadAuthorization."""
    parts = (authorization or b"").split()
    if not parts or parts[0] != b"Bearer":
        return None
    if len(parts) != 2:
        raise BadAuthorization
    return parts[1].decode("latin-1")


class Account(NamedTuple):
    """Whom a token speaks for."""

    user_id: int
    email: str | None


class AccessTokens:
    """Verifies access tokens, and remembers the verified ones until they expire."""

    def __init__(self, keys: PublishedKeys) -> None:
        self._keys = keys
        self._generation = keys.generation
        self._remembered: dict[str, tuple[Account, float]] = {}

    async def account(self, token: str) -> Account:
        """The account a token speaks for. Raises BadToken, or ServiceUnavailable while auth's keys cannot be had."""
        if self._generation != self._keys.generation:
            self._remembered.clear()
            self._generation = self._keys.generation
        remembered = self._remembered.get(token)
        if remembered is not None and remembered[1] > time.time():
            return remembered[0]
        return await self._verified(token)

    async def _verified(self, token: str) -> Account:
        key = await self._keys.find(_key_id(token))
        if key is None:
            raise BadToken
        account, expires = _decoded(token, key)
        if len(self._remembered) >= _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[token] = (account, expires)
        return account


def _key_id(token: str) -> str:
    """The id of the key that a token says it was signed with. Raises BadToken."""
    if len(token) > _LONGEST:
        raise BadToken
    try:
        return str(jwt.get_unverified_header(token)["kid"])
    except (jwt.PyJWTError, KeyError):
        raise BadToken from None


def _decoded(token: str, key: Ed25519PublicKey) -> tuple[Account, float]:
    """The account of a token signed by `key`, and when it expires. Raises BadToken."""
    try:
        claims = jwt.decode(token, key, ["EdDSA"], issuer=_ISSUER, leeway=_LEEWAY, options={"require": _REQUIRED})
        account = Account(read_id(claims["user_id"]), read_text(claims.get("email"), MAX_EMAIL))
        expires = float(claims["exp"])
    except jwt.ExpiredSignatureError:
        raise BadToken("Token is expired") from None
    except (jwt.PyJWTError, OverflowError, TypeError, ValueError):
        raise BadToken from None
    if claims["token_type"] != _KIND:
        raise BadToken("Token has wrong type")
    return account, expires
