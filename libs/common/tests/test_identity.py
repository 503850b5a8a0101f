"""Identity tokens: what is believed, and what never is."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cv_common.identity import (
    Caller,
    InvalidIdentity,
    Signer,
    Verifier,
    decode_key,
    encode_key,
    generate_keys,
    private_key,
    public_of,
)
from cv_common.settings import ServiceSettings
from cv_common.testing.serving import eventually
from hypothesis import given
from hypothesis import strategies as st

GATEWAY, GATEWAY_PUBLIC = generate_keys()
PAYMENTS, PAYMENTS_PUBLIC = generate_keys()
STRANGER, _ = generate_keys()
VERIFIER = Verifier("resumes", {"gateway": GATEWAY_PUBLIC, "payments": PAYMENTS_PUBLIC})


def signed(key: str = GATEWAY, **claims: Any) -> str:
    """A token of the gateway for resumes, with some claims changed, and without those that are None."""
    now = int(time.time())
    every = {"iss": "gateway", "aud": "resumes", "iat": now, "exp": now + 60, "sub": "7"} | claims
    return jwt.encode(
        {name: value for name, value in every.items() if value is not None}, private_key(key), algorithm="EdDSA"
    )


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
    ids=["a user", "a session", "a user with an address", "nobody yet", "a service"],
)
def test_who_is_told_is_who_is_believed(issuer: str, key: str, who: dict[str, Any], expected: Caller) -> None:
    token = Signer(issuer, key).token("resumes", **who)
    for _ in range(2):
        assert VERIFIER.verify(token) == expected
    assert expected.is_service is (issuer == "payments")


NOW = int(time.time())
CLAIMS = {"iss": "gateway", "aud": "resumes", "iat": NOW, "exp": NOW + 3600, "sub": "1"}
HEADER, PAYLOAD, SIGNATURE = signed().split(".")
UNBELIEVED = {
    "no token": None,
    "an empty token": "",
    "nonsense": "nonsense",
    "two parts": f"{HEADER}.{PAYLOAD}",
    "no signature": f"{HEADER}.{PAYLOAD}.",
    "a changed payload": f"{HEADER}.{encoded({**CLAIMS, 'sub': '8'})}.{SIGNATURE}",
    "a changed signature": f"{HEADER}.{PAYLOAD}.{'A' * len(SIGNATURE)}",
    "a stranger's key": signed(STRANGER),
    "another issuer's key": signed(PAYMENTS),
    "another issuer's name": signed(iss="payments"),
    "an unknown issuer": signed(STRANGER, iss="stranger"),
    "no issuer": signed(iss=None),
    "an issuer that is no text": f"{HEADER}.{encoded({**CLAIMS, 'iss': ['gateway']})}.{SIGNATURE}",
    "another audience": signed(aud="payments"),
    "no audience": signed(aud=None),
    "an expired one": signed(exp=NOW - 60),
    "one without end": signed(exp=None),
    "one without beginning": signed(iat=None),
    "one from the future": signed(iat=NOW + 3600, exp=NOW + 7200),
    "a user who is no number": signed(sub="admin"),
    "alg none": f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(CLAIMS)}.",
    "alg none, signed": f"{encoded({'alg': 'none'})}.{PAYLOAD}.{SIGNATURE}",
    "HMAC with the public key": jwt.encode(CLAIMS, decode_key(GATEWAY_PUBLIC), algorithm="HS256"),
    "a key of its own choice": jwt.encode(
        CLAIMS, private_key(STRANGER), algorithm="EdDSA", headers={"jku": "http://evil", "jwk": {}, "kid": "../../x"}
    ),
    "a payload too deep to read": f"{HEADER}.{base64.urlsafe_b64encode(b'[' * 100_000).decode()}.{SIGNATURE}",
    "a payload that is no object": f"{HEADER}.{encoded([1])}.{SIGNATURE}",
    "letters of no alphabet": "é.é.é",
}


@pytest.mark.parametrize("token", UNBELIEVED.values(), ids=list(UNBELIEVED))
def test_what_is_not_believed(token: str | None) -> None:
    for _ in range(2):
        with pytest.raises(InvalidIdentity):
            VERIFIER.verify(token)


@given(st.text() | st.binary().map(lambda raw: f"{HEADER}.{base64.urlsafe_b64encode(raw).decode()}.{SIGNATURE}"))
def test_anything_else_is_not_believed_either(token: str) -> None:
    with pytest.raises(InvalidIdentity):
        VERIFIER.verify(token)


def test_while_a_key_is_changed_both_are_believed_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    new_key, new_public = generate_keys()
    monkeypatch.setenv("IDENTITY_PRIVATE_KEY", PAYMENTS)
    monkeypatch.setenv("IDENTITY_PUBLIC_KEYS", json.dumps({"gateway": [new_public, GATEWAY_PUBLIC]}))
    verifier = Verifier("resumes", ServiceSettings().identity_public_keys)
    for key in (GATEWAY, new_key):
        assert verifier.verify(signed(key)).user_id == 7
        for changes in ({"aud": "payments"}, {"iss": "payments"}, {"exp": NOW - 60}):
            with pytest.raises(InvalidIdentity):
                verifier.verify(signed(key, **changes))
    with pytest.raises(InvalidIdentity):
        verifier.verify(signed(STRANGER))


async def test_what_is_remembered_expires_all_the_same() -> None:
    verifier = Verifier("resumes", {"gateway": GATEWAY_PUBLIC})
    token = signed(exp=int(time.time()) - 3)
    assert verifier.verify(token).user_id == 7, "a clock may be a little wrong"

    def refused() -> bool:
        try:
            verifier.verify(token)
        except InvalidIdentity:
            return True
        return False

    await eventually(refused)


def test_a_token_is_signed_once_for_each_asker_and_receiver() -> None:
    signer = Signer("gateway", GATEWAY)
    asked = [("resumes", 1, None), ("resumes", 2, None), ("resumes", None, "a"), ("payments", 1, None)]
    tokens = [signer.token(*who) for who in asked]
    assert len(set(tokens)) == 4
    assert [signer.token(*who) for who in asked] == tokens


def test_a_token_is_signed_anew_before_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = Signer("gateway", GATEWAY)
    first = signer.token("resumes", 1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 46)
    later = signer.token("resumes", 1)
    assert later != first
    assert jwt.decode(later, options={"verify_signature": False})["exp"] >= now + 46 + 59


def test_memories_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cv_common.identity._REMEMBERED", 3)
    signer, verifier = Signer("gateway", GATEWAY), Verifier("resumes", {"gateway": GATEWAY_PUBLIC})
    for user_id in range(20):
        assert verifier.verify(signer.token("resumes", user_id)).user_id == user_id
    assert len(signer._remembered) <= 3
    assert len(verifier._remembered) <= 3


def test_keys_are_32_bytes_in_base64url() -> None:
    private, public = generate_keys()
    assert public_of(private) == public
    assert encode_key(decode_key(public)) == public
    for broken in ("", "AAAA", "A" * 44, "not base64 at all !!"):
        with pytest.raises(ValueError, match=r"32 bytes|base64|padding|Incorrect"):
            decode_key(broken)
