"""Every environment variable of the auth service, read once."""

import os

from cv_common.kernel.settings import DatabaseSettings, NatsSettings, PrivateKey, ServiceSettings
from pydantic import BaseModel, Field


class SigningKey(BaseModel):
    """A key that access tokens are signed with: `{"kid": "2025-10", "key": "<Ed25519 seed, base64url>"}`."""

    kid: str
    key: PrivateKey


class Settings(ServiceSettings, DatabaseSettings, NatsSettings):
    """Auth tells resumes and payments when somebody claims an anonymous session."""

    resumes_url: str
    payments_url: str
    access_token_keys: tuple[SigningKey, ...] = Field(min_length=1)
    """The first signs; the public halves of all are published, so that keys can be changed without a gap."""
    access_token_lifetime: int = 15 * 60
    """Seconds."""
    refresh_token_lifetime: int = 30 * 24 * 3600
    """Seconds."""
    password_hash_workers: int = os.cpu_count() or 1
    """How many passwords are hashed at once; each takes a core and 19 MiB."""
    password_hash_queue: int = 64
    """How many more may wait for that; whoever comes then is asked to try again."""
