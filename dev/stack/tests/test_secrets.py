"""Secrets are made once, and nobody else reads them."""

from pathlib import Path

import pytest
from cv_common.kernel.identity import public_key_of
from cv_stack.secrets import Secrets


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secrets.json"


def test_a_secret_stays_what_it_is(file: Path) -> None:
    first = Secrets(file)
    made = [first.password("nats auth"), first.signing_key("access token"), first.token("session key", "sk_")]

    again = Secrets(file)
    assert made == [again.password("nats auth"), again.signing_key("access token"), again.token("session key", "sk_")]


def test_every_name_has_its_own(file: Path) -> None:
    secrets = Secrets(file)

    assert len({secrets.password("a"), secrets.password("b"), secrets.signing_key("a"), secrets.token("a")}) == 4


def test_only_the_owner_reads_the_file(file: Path) -> None:
    Secrets(file).token("session key")

    assert file.stat().st_mode & 0o777 == 0o600


def test_a_signing_key_has_a_public_half(file: Path) -> None:
    assert public_key_of(Secrets(file).signing_key("access token"))
