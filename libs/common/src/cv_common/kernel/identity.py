"""Identity tokens: short-lived Ed25519 JWTs that the gateway and the services sign for each other.

The header is `X-Identity`. The claims are `iss` (`gateway` or the calling service), `aud` (the receiving service),
`iat` and `exp`. The gateway adds `sub` (a user id) or `sid` (an anonymous session), and `email` (the account's address)
for endpoints that need it. Signing and verifying take about 0.1 ms, so both sides cache their results.
"""

import base64
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import jwt
from cachetools import TLRUCache, TTLCache
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

IDENTITY_HEADER = "X-Identity"
REQUEST_ID_HEADER = "X-Request-Id"
SESSION_START_HEADER = "X-Session-Start"
SESSION_END_HEADER = "X-Session-End"
GATEWAY = "gateway"

PublicKeys = Mapping[str, str | tuple[str, ...]]
"""The public key of each issuer, base64url, or several keys: the old and the new one during a rotation."""

MAX_ID = 2**63 - 1
"""The largest value of PostgreSQL's bigint."""
_ID = re.compile("[0-9]{1,19}")
MAX_EMAIL = 254
_MAX_SESSION_ID = 64

LIFETIME = 60
"""Seconds."""
_RENEW_BEFORE = 15
"""Seconds before its expiry when a cached token is replaced."""
_MAX_CACHED = 10_000
"""Tokens that a Signer or Verifier caches."""


def encode_key(raw: bytes) -> str:
    """Return 32 raw key bytes as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_key(text: str) -> bytes:
    """Return the 32 raw bytes of a base64url key. Raises ValueError for anything else."""
    with suppress(ValueError):
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if len(raw) == 32:
            return raw
    raise ValueError("an Ed25519 key is 32 bytes, base64url")


def private_key(text: str) -> Ed25519PrivateKey:
    """Return the signing key of a base64url seed."""
    return Ed25519PrivateKey.from_private_bytes(decode_key(text))


def public_key(text: str) -> Ed25519PublicKey:
    """Return the verification key of a base64url public key."""
    return Ed25519PublicKey.from_public_bytes(decode_key(text))


def generate_keys() -> tuple[str, str]:
    """Return a new key pair: (private, public), each base64url."""
    key = Ed25519PrivateKey.generate()
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return encode_key(seed), public_key_of(encode_key(seed))


def public_key_of(private: str) -> str:
    """Return the public key of a private key, both base64url."""
    return encode_key(private_key(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def read_id(claim: object) -> int:
    """Return the id in a claim: an integer, or its decimal digits. Raises ValueError unless it fits a bigint."""
    if isinstance(claim, str) and _ID.fullmatch(claim):
        claim = int(claim)
    if isinstance(claim, int) and not isinstance(claim, bool) and 0 <= claim <= MAX_ID:
        return claim
    raise ValueError("an id is a number from 0 to 2**63 - 1")


def read_text(claim: object, max_length: int) -> str | None:
    """Return the text in a claim, or None. Raises ValueError for another type or a longer text."""
    if claim is None or (isinstance(claim, str) and len(claim) <= max_length):
        return claim
    raise ValueError(f"this claim is a text of at most {max_length} characters")


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request. The gateway sends for a user, an anonymous session, or a visitor without a session."""

    issuer: str
    user_id: int | None = None
    session_id: str | None = None
    email: str | None = None
    """The account's e-mail address, on endpoints for which the gateway sends it."""

    @property
    def is_service(self) -> bool:
        return self.issuer != GATEWAY


class InvalidIdentity(Exception):
    """The identity token is missing, forged or expired, or its audience is another service."""


class Signer:
    """The signer of identity tokens of `issuer`."""

    def __init__(self, issuer: str, key: str) -> None:
        self._issuer = issuer
        self._key = private_key(key)
        # The timer is the clock of `exp`: a token and its cache entry expire by the same clock.
        self._tokens: TTLCache[tuple[str, int | None, str | None, str | None], str] = TTLCache(
            _MAX_CACHED, ttl=LIFETIME - _RENEW_BEFORE, timer=time.time
        )

    def token(
        self, audience: str, user_id: int | None = None, session_id: str | None = None, email: str | None = None
    ) -> str:
        """Return a token for `audience` that is valid for at least 15 seconds."""
        key = (audience, user_id, session_id, email)
        token = self._tokens.get(key)
        if token is None:
            token = self._tokens[key] = self._sign(*key)
        return token

    def _sign(self, audience: str, user_id: int | None, session_id: str | None, email: str | None) -> str:
        now = int(time.time())
        claims: dict[str, str | int] = {"iss": self._issuer, "aud": audience, "iat": now, "exp": now + LIFETIME}
        if user_id is not None:
            claims["sub"] = str(user_id)
        if session_id is not None:
            claims["sid"] = session_id
        if email is not None:
            claims["email"] = email
        return jwt.encode(claims, self._key, algorithm="EdDSA")


def _expires_at(_token: str, entry: tuple[Caller, float], _now: float) -> float:
    return entry[1]


class Verifier:
    """The verifier of identity tokens for `audience` that an issuer in `public_keys` signed with any of its keys."""

    def __init__(self, audience: str, public_keys: PublicKeys) -> None:
        self._audience = audience
        self._keys = {
            issuer: [public_key(text) for text in ([texts] if isinstance(texts, str) else texts)]
            for issuer, texts in public_keys.items()
        }
        self._callers: TLRUCache[str, tuple[Caller, float]] = TLRUCache(_MAX_CACHED, ttu=_expires_at, timer=time.time)

    def verify(self, token: str | None) -> Caller:
        """Return the caller that `token` identifies. Raises InvalidIdentity."""
        if not token:
            raise InvalidIdentity("no identity token")
        cached = self._callers.get(token)
        if cached is None:
            cached = self._callers[token] = self._decode(token)
        return cached[0]

    def _decode(self, token: str) -> tuple[Caller, float]:
        """Return the caller and the time of expiry, in seconds since 1970."""
        try:
            issuer = str(jwt.decode(token, options={"verify_signature": False})["iss"])
            claims = self._claims(token, issuer)
            caller = Caller(
                issuer,
                read_id(claims["sub"]) if "sub" in claims else None,
                read_text(claims.get("sid"), _MAX_SESSION_ID),
                read_text(claims.get("email"), MAX_EMAIL),
            )
            return caller, float(claims["exp"])
        except (jwt.PyJWTError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise InvalidIdentity(str(error)) from error

    def _claims(self, token: str, issuer: str) -> dict[str, Any]:
        """Return the claims of a token that one of the issuer's keys signed. Raises PyJWTError and KeyError."""
        for key in self._keys[issuer]:
            with suppress(jwt.InvalidSignatureError):
                return jwt.decode(
                    token,
                    key,
                    algorithms=["EdDSA"],
                    audience=self._audience,
                    issuer=issuer,
                    leeway=5,
                    options={"require": ["iss", "aud", "iat", "exp"]},
                )
        raise jwt.InvalidSignatureError("no key of the issuer has signed the token")
