"""Identity tokens: signing, verification and caching."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cv_common.kernel.identity import (
    Caller,
    InvalidIdentity,
    Signer,
    Verifier,
    decode_key,
    encode_key,
    generate_keys,
    private_key,
    public_key_of,
)
from cv_common.kernel.settings import ServiceSettings
from cv_testing.serving import eventually
from hypothesis import given
from hypothesis import strategies as st

GATEWAY, GATEWAY_PUBLIC = generate_keys()
PAYMENTS, PAYMENTS_PUBLIC = generate_keys()
STRANGER, _ = generate_keys()
VERIFIER = Verifier("resumes", {"gateway": GATEWAY_PUBLIC, "payments": PAYMENTS_PUBLIC})


def signed(key: str = GATEWAY, begins: int | None = 0, ends: int | None = 60, **claims: Any) -> str:
    """Return a token of the gateway for resumes. `begins` and `ends` are seconds from now; None omits a claim."""
    now = int(time.time())
    times = {"iat": None if begins is None else now + begins, "exp": None if ends is None else now + ends}
    every = {"iss": "gateway", "aud": "resumes", "sub": "7", **times, **claims}
    return jwt.encode(
        {name: value for name, value in every.items() if value is not None}, private_key(key), algorithm="EdDSA"
    )


def assert_refused(token: str | None) -> None:
    for _ in range(2):
        with pytest.raises(InvalidIdentity):
            VERIFIER.verify(token)


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("issuer", "key", "who", "expected"),
    [
        ("gateway", GATEWAY, {"user_id": 7}, Caller("gateway", user_id=7)),
        ("gateway", GATEWAY, {"session_id": "abc"}, Caller("gateway", session_id="abc")),
        ("gateway", GATEWAY, {"user_id": 7, "email": "a@x.com"}, Caller("gateway", user_id=7, email="a@x.com")),
        ("gateway", GATEWAY, {}, Caller("gateway")),
        ("payments", PAYMENTS, {}, Caller("payments")),
    ],
    ids=["a user", "a session", "a user with an email", "a visitor without a session", "a service"],
)
def test_a_signed_token_is_verified(issuer: str, key: str, who: dict[str, Any], expected: Caller) -> None:
    token = Signer(issuer, key).token("resumes", **who)
    for _ in range(2):
        assert VERIFIER.verify(token) == expected
    assert expected.is_service is (issuer == "payments")


SIGNED: dict[str, dict[str, Any]] = {
    "a stranger's key": {"key": STRANGER},
    "another issuer's key": {"key": PAYMENTS},
    "another issuer's name": {"iss": "payments"},
    "an unknown issuer": {"key": STRANGER, "iss": "stranger"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "payments"},
    "no audience": {"aud": None},
    "an expired one": {"ends": -60},
    "one without end": {"ends": None},
    "one without beginning": {"begins": None},
    "one from the future": {"begins": 3600, "ends": 7200},
    "a user who is no number": {"sub": "admin"},
    "a user whose id exceeds 64 bits": {"sub": str(2**63)},
    "a user with a negative id": {"sub": "-1"},
    "a user whose id is written oddly": {"sub": "1_0"},
    "a user whose id has other digits": {"sub": "\u0661"},
    "a user whose id is empty": {"sub": ""},
    "a session that is no text": {"sub": None, "sid": 7},
    "a session that is too long": {"sub": None, "sid": "a" * 65},
    "an address that is no text": {"email": ["a@x.com"]},
    "an end that no clock reaches": {"ends": None, "exp": 10**400},
    "an end that is no number": {"ends": None, "exp": [1]},
    "an endless one": {"ends": None, "exp": float("inf")},
    "a beginning that is no number": {"begins": None, "iat": float("nan")},
}


@pytest.mark.parametrize("changes", SIGNED.values(), ids=list(SIGNED))
def test_signed_tokens_with_invalid_claims_are_refused(changes: dict[str, Any]) -> None:
    assert VERIFIER.verify(signed()) == Caller("gateway", user_id=7)
    assert_refused(signed(**changes))


class Parts:
    """The parts of a valid token."""

    def __init__(self) -> None:
        token = signed()
        assert VERIFIER.verify(token) == Caller("gateway", user_id=7)
        self.header, self.payload, self.signature = token.split(".")
        self.claims = jwt.decode(token, options={"verify_signature": False})

    def with_payload(self, payload: str) -> str:
        return f"{self.header}.{payload}.{self.signature}"


FORGED: dict[str, Callable[[Parts], str | None]] = {
    "no token": lambda _: None,
    "an empty token": lambda _: "",
    "nonsense": lambda _: "nonsense",
    "two parts": lambda parts: f"{parts.header}.{parts.payload}",
    "no signature": lambda parts: f"{parts.header}.{parts.payload}.",
    "a changed payload": lambda parts: parts.with_payload(encoded({**parts.claims, "sub": "8"})),
    "a changed signature": lambda parts: f"{parts.header}.{parts.payload}.{'A' * len(parts.signature)}",
    "an issuer that is no text": lambda parts: parts.with_payload(encoded({**parts.claims, "iss": ["gateway"]})),
    "alg none": lambda parts: f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{parts.payload}.",
    "alg none, signed": lambda parts: f"{encoded({'alg': 'none'})}.{parts.payload}.{parts.signature}",
    "HMAC with the public key": lambda parts: jwt.encode(parts.claims, decode_key(GATEWAY_PUBLIC), algorithm="HS256"),
    "a key of its own choice": lambda parts: jwt.encode(
        parts.claims,
        private_key(STRANGER),
        algorithm="EdDSA",
        headers={"jku": "http://evil", "jwk": {}, "kid": "../../x"},
    ),
    "a payload too deep to read": lambda parts: parts.with_payload(base64.urlsafe_b64encode(b"[" * 100_000).decode()),
    "a payload that is no object": lambda parts: parts.with_payload(encoded([1])),
    "letters of no alphabet": lambda _: "é.é.é",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=list(FORGED))
def test_forged_tokens_are_refused(forge: Callable[[Parts], str | None]) -> None:
    assert_refused(forge(Parts()))


@given(st.text())
def test_arbitrary_texts_are_refused(text: str) -> None:
    assert_refused(text)


@given(st.binary())
def test_arbitrary_payloads_are_refused(content: bytes) -> None:
    assert_refused(Parts().with_payload(base64.urlsafe_b64encode(content).decode()))


def test_during_a_rotation_both_keys_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    new_key, new_public = generate_keys()
    monkeypatch.setenv("IDENTITY_PRIVATE_KEY", PAYMENTS)
    monkeypatch.setenv("IDENTITY_PUBLIC_KEYS", json.dumps({"gateway": [new_public, GATEWAY_PUBLIC]}))
    verifier = Verifier("resumes", ServiceSettings().identity_public_keys)
    for key in (GATEWAY, new_key):
        assert verifier.verify(signed(key)).user_id == 7
        for changes in ({"aud": "payments"}, {"iss": "payments"}, {"ends": -60}):
            with pytest.raises(InvalidIdentity):
                verifier.verify(signed(key, **changes))
    with pytest.raises(InvalidIdentity):
        verifier.verify(signed(STRANGER))


async def test_a_cached_token_expires() -> None:
    verifier = Verifier("resumes", {"gateway": GATEWAY_PUBLIC})
    token = signed(ends=-3)
    assert verifier.verify(token).user_id == 7, "a clock may be a little wrong"

    def refused() -> bool:
        try:
            verifier.verify(token)
        except InvalidIdentity:
            return True
        return False

    await eventually(refused)


def test_a_token_is_signed_once_for_each_caller_and_audience() -> None:
    signer = Signer("gateway", GATEWAY)
    asked = [("resumes", 1, None), ("resumes", 2, None), ("resumes", None, "a"), ("payments", 1, None)]
    tokens = [signer.token(*who) for who in asked]
    assert len(set(tokens)) == 4
    assert [signer.token(*who) for who in asked] == tokens


def test_a_token_is_replaced_15_seconds_before_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    signer = Signer("gateway", GATEWAY)
    first = signer.token("resumes", 1)
    now += 44
    assert signer.token("resumes", 1) == first
    now += 2
    later = signer.token("resumes", 1)
    assert later != first
    assert jwt.decode(later, options={"verify_signature": False})["exp"] >= now + 59


def test_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cv_common.kernel.identity._MAX_CACHED", 3)
    signer, verifier = Signer("gateway", GATEWAY), Verifier("resumes", {"gateway": GATEWAY_PUBLIC})
    for user_id in range(20):
        assert verifier.verify(signer.token("resumes", user_id)).user_id == user_id
    assert len(signer._tokens) == len(verifier._callers) == 3


def test_keys_are_32_bytes_in_base64url() -> None:
    private, public = generate_keys()
    assert public_key_of(private) == public
    assert encode_key(decode_key(public)) == public
    for broken in ("", "AAAA", "A" * 44, "not base64 at all !!", "é" * 43):
        with pytest.raises(ValueError, match="32 bytes"):
            decode_key(broken)
