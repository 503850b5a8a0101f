"""Access and refresh tokens: EdDSA JWTs with the claims of SimpleJWT, and the public keys that verify them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import jwt
from cv_common.kernel.identity import private_key, public_key_of, read_id

from cv_auth.settings import SigningKey

ISSUER = "auth"
_ALGORITHM = "EdDSA"
_ACCESS, _REFRESH = "access", "refresh"
_REQUIRED = ["exp", "iat", "iss", "jti", "token_type", "user_id"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens that a login issues."""

    access: str
    refresh: str


class TokenKeys:
    """Signs tokens with the first key and accepts the signatures of all keys."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._signing_kid = keys[0].kid
        self._private = {key.kid: private_key(key.key) for key in keys}
        self._public = {key.kid: public_key_of(key.key) for key in keys}

    def access_token(self, user_id: int, email: str, now: datetime, lifetime: int) -> str:
        """Sign a token that authenticates requests for `lifetime` seconds and carries the account's email address."""
        return self._sign(_ACCESS, user_id, uuid4(), now, now + timedelta(seconds=lifetime), email=email)

    def refresh_token(self, user_id: int, token_id: UUID, now: datetime, expires_at: datetime) -> str:
        """Sign a token that is exchanged for access tokens until it expires or its row is deleted."""
        return self._sign(_REFRESH, user_id, token_id, now, expires_at)

    def _sign(
        self, token_type: str, user_id: int, token_id: UUID, now: datetime, expires_at: datetime, **extra_claims: str
    ) -> str:
        claims = {
            "token_type": token_type,
            "user_id": str(user_id),
            "sub": str(user_id),
            "iss": ISSUER,
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": token_id.hex,
            **extra_claims,
        }
        kid = self._signing_kid
        return jwt.encode(claims, self._private[kid], algorithm=_ALGORITHM, headers={"kid": kid})

    def refresh_token_id(self, token: str) -> UUID | None:
        """Return the id of a valid refresh token that has not expired, or None for any other text."""
        try:
            key = self._private[jwt.get_unverified_header(token)["kid"]].public_key()
            claims = jwt.decode(token, key, [_ALGORITHM], issuer=ISSUER, options={"require": _REQUIRED})
            read_id(claims["user_id"])
            return UUID(claims["jti"]) if claims["token_type"] == _REFRESH else None
        except (jwt.PyJWTError, AttributeError, KeyError, TypeError, ValueError):
            return None

    def key_set(self) -> dict[str, list[dict[str, str]]]:
        """Return the public keys as a JSON Web Key Set (RFC 7517)."""
        return {
            "keys": [
                {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": _ALGORITHM, "kid": kid, "x": public}
                for kid, public in self._public.items()
            ]
        }
