"""Who is asking: short-lived Ed25519 JWTs that the gateway and the services sign for each other.

Header `X-Identity`; claims `iss` (`gateway` or the calling service), `aud` (the receiving service), `iat`, `exp`
and, from the gateway, `sub` (a user's id) or `sid` (an anonymous session); beside `sub`, where an endpoint needs it,
`email` (the account's address). Signing and verifying cost about 0.1 ms, so both sides remember what they did, within
bounds.
"""

import base64
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

IDENTITY_HEADER = "X-Identity"
REQUEST_ID_HEADER = "X-Request-Id"
SESSION_START_HEADER = "X-Session-Start"
SESSION_END_HEADER = "X-Session-End"
GATEWAY = "gateway"

PublicKeys = Mapping[str, str | tuple[str, ...]]
"""Issuer -> its public key, base64url, or all of them: while its key is changed, the old one and the new."""

MAX_ID = 2**63 - 1
"""The largest id that a database keeps."""
_ID = re.compile("[0-9]{1,19}")
MAX_EMAIL = 254
_MAX_SESSION_ID = 64

LIFETIME = 60
_RENEW_BEFORE = 15
"""Seconds left on a remembered token when a new one is signed instead."""
_MAX_CACHED = 10_000


def encode_key(raw: bytes) -> str:
    """32 raw key bytes as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_key(text: str) -> bytes:
    """The 32 raw bytes of a base64url key. Raises ValueError for anything else."""
    with suppress(ValueError):
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if len(raw) == 32:
            return raw
    raise ValueError("an Ed25519 key is 32 bytes, base64url")


def private_key(text: str) -> Ed25519PrivateKey:
    """The signing key of a base64url seed."""
    return Ed25519PrivateKey.from_private_bytes(decode_key(text))


def public_key(text: str) -> Ed25519PublicKey:
    """The verifying key of its base64url text."""
    return Ed25519PublicKey.from_public_bytes(decode_key(text))


def generate_keys() -> tuple[str, str]:
    """A new key pair: (private, public), each base64url."""
    key = Ed25519PrivateKey.generate()
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return encode_key(seed), public_key_of(encode_key(seed))


def public_key_of(private: str) -> str:
    """The public half of a private key, both base64url."""
    return encode_key(private_key(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def read_id(claim: object) -> int:
    """The id that a token claims: a number, or its decimal digits. Raises ValueError for what no database keeps."""
    if isinstance(claim, str) and _ID.fullmatch(claim):
        claim = int(claim)
    if isinstance(claim, int) and not isinstance(claim, bool) and 0 <= claim <= MAX_ID:
        return claim
    raise ValueError("an id is a number from 0 to 2**63 - 1")


def read_text(claim: object, max_length: int) -> str | None:
    """The text that a token claims, or None. Raises ValueError for anything else, and for a longer one."""
    if claim is None or (isinstance(claim, str) and len(claim) <= max_length):
        return claim
    raise ValueError(f"this claim is a text of at most {max_length} characters")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from. From the gateway it is a user, an anonymous session, or nobody yet."""

    issuer: str
    user_id: int | None = None
    session_id: str | None = None
    email: str | None = None
    """The account's e-mail address, where the gateway passes it on."""

    @property
    def is_service(self) -> bool:
        return self.issuer != GATEWAY


class InvalidIdentity(Exception):
    """The identity token is missing, forged, expired, or meant for somebody else."""


class Signer:
    """Signs identity tokens as `issuer`."""

    def __init__(self, issuer: str, key: str) -> None:
        self._issuer = issuer
        self._key = private_key(key)
        self._remembered: dict[tuple[str, int | None, str | None, str | None], tuple[str, float]] = {}

    def token(
        self, audience: str, user_id: int | None = None, session_id: str | None = None, email: str | None = None
    ) -> str:
        """A token for `audience`, fresh for at least 15 seconds."""
        now = time.time()
        asked = (audience, user_id, session_id, email)
        token, expires = self._remembered.get(asked, ("", 0.0))
        if expires - now > _RENEW_BEFORE:
            return token
        token = self._sign(now, *asked)
        if len(self._remembered) >= _MAX_CACHED:
            self._remembered.clear()
        self._remembered[asked] = (token, now + LIFETIME)
        return token

    def _sign(self, now: float, audience: str, user_id: int | None, session_id: str | None, email: str | None) -> str:
        claims: dict[str, str | int] = {
            "iss": self._issuer,
            "aud": audience,
            "iat": int(now),
            "exp": int(now) + LIFETIME,
        }
        if user_id is not None:
            claims["sub"] = str(user_id)
        if session_id is not None:
            claims["sid"] = session_id
        if email is not None:
            claims["email"] = email
        return jwt.encode(claims, self._key, algorithm="EdDSA")


class Verifier:
    """Verifies identity tokens addressed to `audience`, from the issuers in `public_keys`: by any key of theirs."""

    def __init__(self, audience: str, public_keys: PublicKeys) -> None:
        self._audience = audience
        self._keys = {
            issuer: [public_key(text) for text in ([texts] if isinstance(texts, str) else texts)]
            for issuer, texts in public_keys.items()
        }
        self._remembered: dict[str, tuple[Caller, float]] = {}

    def verify(self, token: str | None) -> Caller:
        """The caller a token speaks for. Raises InvalidIdentity."""
        if not token:
            raise InvalidIdentity("no identity token")
        remembered = self._remembered.get(token)
        if remembered is not None and remembered[1] > time.time():
            return remembered[0]
        caller, expires = self._decode(token)
        if len(self._remembered) >= _MAX_CACHED:
            self._remembered.clear()
        self._remembered[token] = (caller, expires)
        return caller

    def _decode(self, token: str) -> tuple[Caller, float]:
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
        """What a token says that one of its issuer's keys has signed. Raises PyJWTError and KeyError."""
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
        raise jwt.InvalidSignatureError("signed by none of the issuer's keys")
