"""Token claims and validation."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from cv_auth.domain.tokens import TokenKeys
from cv_auth.settings import SigningKey
from cv_common.kernel.identity import generate_keys
from hypothesis import given
from hypothesis import strategies as st

NEW, OLD, FOREIGN = (SigningKey(kid=kid, key=generate_keys()[0]) for kid in ("new", "old", "new"))
user_ids = st.integers(1, 2**63 - 1)


@given(user_ids, st.uuids())
def test_refresh_tokens_of_every_configured_key_are_valid(user_id: int, token_id: UUID) -> None:
    now = datetime.now(UTC)
    token = TokenKeys([OLD]).refresh_token(user_id, token_id, now, now + timedelta(days=1))
    assert TokenKeys([NEW, OLD]).refresh_token_id(token) == token_id
    assert TokenKeys([NEW]).refresh_token_id(token) is None


@given(user_ids, st.uuids())
def test_expired_foreign_and_access_tokens_are_invalid(user_id: int, token_id: UUID) -> None:
    keys, now = TokenKeys([NEW]), datetime.now(UTC)
    assert keys.refresh_token_id(keys.refresh_token(user_id, token_id, now, now - timedelta(seconds=1))) is None
    assert keys.refresh_token_id(keys.access_token(user_id, "a@example.com", now, 900)) is None
    foreign = TokenKeys([FOREIGN]).refresh_token(user_id, token_id, now, now + timedelta(days=1))
    assert keys.refresh_token_id(foreign) is None


@given(st.text() | st.text("abcAB01._-=", min_size=1).map(lambda text: f"eyJhbGciOiJFZERTQSJ9.{text}"))
def test_arbitrary_text_is_an_invalid_token(token: str) -> None:
    assert TokenKeys([NEW]).refresh_token_id(token) is None
