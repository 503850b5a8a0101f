"""Fixtures: a running sandbox for each test, with its own folder and port."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cv_stripe_sandbox.settings import Settings
from cv_stripe_sandbox.testing import API_KEY, SECRET, Receiver, SandboxClient, running


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, api_key=API_KEY, webhook_secrets=(SECRET,), webhook_retry=0.05, checkout_wait=10.0)


@pytest.fixture
def sandbox(settings: Settings, receiver: Receiver) -> Iterator[SandboxClient]:
    with running(settings, receiver) as sandbox:
        yield sandbox
