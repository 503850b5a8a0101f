"""Settings read once, at start, from the environment or from files in a secrets folder.

A value is looked up in the environment first, then in a file of the same (lower-case) name in `SECRETS_DIR`
(default `/run/secrets`), so that a container gets its secrets as files and a developer as variables.
"""

import os
import re
from pathlib import Path
from typing import Annotated

from cv_common.kernel.identity import decode_key
from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError


def _secrets_dir() -> Path | None:
    folder = Path(os.environ.get("SECRETS_DIR", "/run/secrets"))
    return folder if folder.is_dir() else None


INVALID_SETTINGS = (ValidationError, SettingsError)
"""What is raised by settings that do not do: a value that is none of its type, or not even the JSON of one."""


def format_errors(error: ValidationError | SettingsError) -> str:
    """What is wrong with the settings, a line each: the variable's name and why, never its value."""
    if isinstance(error, SettingsError):
        return f"! {error}"
    return "\n".join(f"! {'.'.join(map(str, item['loc'])).upper()}: {item['msg']}" for item in error.errors())


class _Settings(BaseSettings):
    """How all settings are read. The groups below share it: with several bases, the last one's configuration wins."""

    model_config = SettingsConfigDict(
        secrets_dir=_secrets_dir(),
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # an input may be a secret
    )


def _strip_trailing_slash(url: str) -> str:
    """An address that paths, which begin with a slash, are put behind."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return url.rstrip("/")


class SystemSettings(_Settings):
    """What everything that runs is told of the system it is part of."""

    public_base_url: Annotated[str, AfterValidator(_strip_trailing_slash)] = "http://localhost:8000"
    log_level: str = "INFO"


def _check_key(key: str) -> str:
    decode_key(key)
    return key


def _check_keys(keys: str | tuple[str, ...]) -> str | tuple[str, ...]:
    for key in [keys] if isinstance(keys, str) else keys:
        decode_key(key)
    return keys


PrivateKey = Annotated[str, AfterValidator(_check_key)]
"""An Ed25519 seed, base64url."""
PublicKey = Annotated[str | tuple[str, ...], AfterValidator(_check_keys)]
"""An Ed25519 public key, base64url, or a list of them."""


class ServiceSettings(SystemSettings):
    """What every service needs to know besides: who it is, and whom it trusts."""

    identity_private_key: PrivateKey
    """Signs this service's calls to other services."""
    identity_public_keys: dict[str, PublicKey]
    """By issuer: whose identity tokens are believed."""


class DatabaseSettings(_Settings):
    """The service's own database."""

    database_url: str
    database_direct_url: str | None = None
    """A connection without a pooler between, for LISTEN and advisory locks; the same as `database_url` by default."""
    database_pool_size: Annotated[int, Field(ge=2)] = 16

    @property
    def direct_url(self) -> str:
        return self.database_direct_url or self.database_url


class NatsSettings(_Settings):
    """NATS, with this service's own user and permissions."""

    nats_url: str
    nats_user: str
    nats_password: str
    nats_replicas: int = 1
    """Servers of a NATS cluster that each keep a copy of a stream made by this service: 3, if there are as many."""


def _check_media_url(url: str) -> str:
    if not re.match(r"file:///|(s3|gs|az)://\w", url):
        raise ValueError("must be file:///folder, s3://bucket/prefix, gs://… or az://…")
    return url


class MediaSettings(_Settings):
    """Where files are kept: `file:///folder`, `s3://bucket/prefix`, `gs://…` or `az://…`."""

    media_url: Annotated[str, AfterValidator(_check_media_url)]
    media_options: Annotated[dict[str, str], Field(repr=False)] = {}
    """What an object store asks for besides: for S3 `access_key_id`, `secret_access_key`, `region`, `endpoint`."""
