"""Valid and invalid settings."""

from typing import Any

import pytest
from cv_auth.settings import Settings
from cv_common.kernel.identity import generate_keys
from cv_common.kernel.settings import format_errors
from pydantic import ValidationError

KEY = generate_keys()[0]
USUAL: dict[str, Any] = {
    "identity_private_key": KEY,
    "identity_public_keys": {},
    "database_url": "postgresql://localhost/auth",
    "nats_url": "nats://localhost",
    "nats_user": "auth",
    "nats_password": "x",
    "resumes_url": "http://localhost:8003",
    "payments_url": "http://localhost:8004",
    "access_token_keys": [{"kid": "new", "key": KEY}, {"kid": "old", "key": KEY}],
}


def test_valid_settings_are_accepted() -> None:
    assert [key.kid for key in Settings(**USUAL).access_token_keys] == ["new", "old"]


@pytest.mark.parametrize("key", ["secret", "", KEY[:-4]], ids=["text", "empty", "short"])
def test_an_invalid_key_is_named_but_not_shown(key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**USUAL | {"access_token_keys": [{"kid": "new", "key": KEY}, {"kid": "old", "key": key}]})
    assert format_errors(refused.value) == "! ACCESS_TOKEN_KEYS.1.KEY: an Ed25519 key is 32 bytes, base64url"
