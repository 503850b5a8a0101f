"""The environment variables of the auth service, read once at startup."""

import os

from cv_common.kernel.settings import DatabaseSettings, NatsSettings, PrivateKey, ServiceSettings
from pydantic import BaseModel, Field


class SigningKey(BaseModel):
    """A key that signs tokens: `{"kid": "2025-10", "key": "<Ed25519 seed, base64url>"}`."""

    kid: str
    key: PrivateKey


class Settings(ServiceSettings, DatabaseSettings, NatsSettings):
    """Auth calls resumes and payments when an account claims an anonymous session."""

    resumes_url: str
    payments_url: str
    access_token_keys: tuple[SigningKey, ...] = Field(min_length=1)
    """The first key signs. The public halves of all keys are published, so that keys rotate without downtime."""
    access_token_lifetime: int = 15 * 60
    """Seconds."""
    refresh_token_lifetime: int = 30 * 24 * 3600
    """Seconds."""
    password_hash_workers: int = os.cpu_count() or 1
    """Number of passwords hashed concurrently; each takes a core and 19 MiB."""
    password_hash_queue: int = 64
    """Number of passwords that may wait for hashing. Further requests get 503."""
