"""Access tokens: EdDSA JWTs that auth signs and the gateway verifies with auth's public keys."""

import time
from typing import NamedTuple

import jwt
from cachetools import TLRUCache
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cv_common.kernel.identity import MAX_EMAIL, read_id, read_text

from cv_gateway.errors import InvalidAccessToken, MalformedAuthorization
from cv_gateway.identity.jwks import JwksClient

_ISSUER = "auth"
_TOKEN_TYPE = "access"  # noqa: S105 - a type, not a token
_LEEWAY = 30
"""Seconds that the clocks of auth and gateway may differ."""
_REQUIRED_CLAIMS = ["exp", "iat", "iss", "jti", "token_type", "user_id"]
_MAX_CACHED = 10_000


def bearer_token(authorization: bytes | None) -> str | None:
    """Return the token of an `Authorization: Bearer` header; None without one. Raises MalformedAuthorization."""
    parts = (authorization or b"").split()
    if not parts or parts[0] != b"Bearer":
        return None
    if len(parts) != 2:
        raise MalformedAuthorization
    return parts[1].decode("latin-1")


class TokenClaims(NamedTuple):
    """The claims of a verified access token."""

    user_id: int
    email: str | None
    expires: float
    """Unix time."""


class AccessTokens:
    """Verifies access tokens and caches verified ones until they expire."""

    def __init__(self, jwks: JwksClient) -> None:
        self._jwks = jwks
        self._generation = jwks.generation
        self._cache: TLRUCache[str, TokenClaims] = TLRUCache(
            _MAX_CACHED, ttu=lambda _token, claims, _now: claims.expires, timer=time.time
        )

    async def verify(self, token: str) -> TokenClaims:
        """Return the claims of a token. Raises InvalidAccessToken, or ServiceUnavailable without auth's keys."""
        if self._generation != self._jwks.generation:
            self._cache.clear()
            self._generation = self._jwks.generation
        claims = self._cache.get(token)
        if claims is None:
            key = await self._jwks.find(_key_id(token))
            if key is None:
                raise InvalidAccessToken
            claims = self._cache[token] = _decode(token, key)
        return claims


def _key_id(token: str) -> str:
    """Return the `kid` of a token's header. Raises InvalidAccessToken."""
    try:
        return str(jwt.get_unverified_header(token)["kid"])
    except (jwt.PyJWTError, KeyError):
        raise InvalidAccessToken from None


def _decode(token: str, key: Ed25519PublicKey) -> TokenClaims:
    """Return the claims of a token signed by `key`. Raises InvalidAccessToken."""
    try:
        claims = jwt.decode(
            token, key, ["EdDSA"], issuer=_ISSUER, leeway=_LEEWAY, options={"require": _REQUIRED_CLAIMS}
        )
        verified = TokenClaims(
            read_id(claims["user_id"]), read_text(claims.get("email"), MAX_EMAIL), float(claims["exp"])
        )
    except jwt.ExpiredSignatureError:
        raise InvalidAccessToken("Token is expired") from None
    except (jwt.PyJWTError, OverflowError, TypeError, ValueError):
        raise InvalidAccessToken from None
    if claims["token_type"] != _TOKEN_TYPE:
        raise InvalidAccessToken("Token has wrong type")
    return verified
