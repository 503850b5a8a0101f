"""Secrets are generated once and readable only by their owner."""

from pathlib import Path

import pytest
from cv_common.kernel.identity import public_key_of
from cv_stack.secrets import Secrets


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secrets.json"


def test_secret_does_not_change(file: Path) -> None:
    first = Secrets(file)
    made = [first.password("nats auth"), first.signing_key("access token"), first.token("session key", "sk_")]

    again = Secrets(file)
    assert made == [again.password("nats auth"), again.signing_key("access token"), again.token("session key", "sk_")]


def test_each_name_has_its_own_secret(file: Path) -> None:
    secrets = Secrets(file)

    assert len({secrets.password("a"), secrets.password("b"), secrets.signing_key("a"), secrets.token("a")}) == 4


def test_only_the_owner_can_read_the_file(file: Path) -> None:
    Secrets(file).token("session key")

    assert file.stat().st_mode & 0o777 == 0o600


def test_signing_key_has_a_public_key(file: Path) -> None:
    assert public_key_of(Secrets(file).signing_key("access token"))
