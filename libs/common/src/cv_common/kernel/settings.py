"""Base classes of settings, read once at start from the environment or from files in a secrets folder.

A value comes from the environment variable, or else from the file of the same name in lower case in `SECRETS_DIR`
(default `/run/secrets`): containers get secrets as files.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from cv_common.kernel.identity import decode_key


def _secrets_dir() -> Path | None:
    folder = Path(os.environ.get("SECRETS_DIR", "/run/secrets"))
    return folder if folder.is_dir() else None


INVALID_SETTINGS = (ValidationError, SettingsError)
"""Raised for invalid settings."""


def describe_errors(error: ValidationError | SettingsError) -> list[str]:
    """Return a sentence for each invalid setting: the variable's name and the error, never its value."""
    if isinstance(error, SettingsError):
        field = re.search(r'field "(\w+)"', str(error))
        return [f"{field[1].upper()}: the value is not valid JSON" if field else str(error)]
    sentences = [f"{'.'.join(map(str, item['loc'])).upper()}: {item['msg']}" for item in error.errors()]
    # A validator of several settings gives no name: its message contains them.
    return [sentence.removeprefix(": ").replace("Value error, ", "", 1) for sentence in sentences]


def format_errors(error: ValidationError | SettingsError) -> str:
    """Return the errors for the terminal, one a line."""
    return "\n".join(f"! {each}" for each in describe_errors(error))


class _Settings(BaseSettings):
    """Base of the groups below. They share its configuration: with several bases, that of the last one wins."""

    model_config = SettingsConfigDict(
        secrets_dir=_secrets_dir(),
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # an input may be a secret
    )


def _strip_trailing_slash(url: str) -> str:
    """Validate a base URL, to which paths with a leading slash are appended."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return url.rstrip("/")


LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(lambda value: str(value).upper())
]


class SystemSettings(_Settings):
    """Settings of the gateway and all services."""

    public_base_url: Annotated[str, AfterValidator(_strip_trailing_slash)] = "http://localhost:8000"
    log_level: LogLevel = "INFO"


def _check_keys(keys: str | tuple[str, ...]) -> str | tuple[str, ...]:
    for key in [keys] if isinstance(keys, str) else keys:
        decode_key(key)
    return keys


PrivateKey = Annotated[str, AfterValidator(_check_keys)]
"""An Ed25519 seed, base64url."""
PublicKey = Annotated[str | tuple[str, ...], AfterValidator(_check_keys)]
"""An Ed25519 public key, base64url, or a list of them."""


class CallerSettings(SystemSettings):
    """Settings of everything that calls services: the gateway, and the services themselves."""

    identity_private_key: PrivateKey
    """Signs the identity tokens of calls to services."""


class ServiceSettings(CallerSettings):
    """Settings of all services."""

    identity_public_keys: dict[str, PublicKey]
    """The public keys of trusted issuers of identity tokens, by issuer."""


class DatabaseSettings(_Settings):
    """Settings of a service's database."""

    database_url: str
    database_direct_url: str | None = None
    """URL without a pooler in between, for LISTEN and session-level advisory locks. By default `database_url`."""
    database_pool_size: Annotated[int, Field(ge=2)] = 16

    @property
    def direct_url(self) -> str:
        return self.database_direct_url or self.database_url


class NatsSettings(_Settings):
    """Settings of NATS: each service has a user with its own permissions."""

    nats_url: str
    nats_user: str
    nats_password: str
    nats_replicas: int = 1
    """Copies of each stream that this service declares: 3 in a NATS cluster."""


def _check_media_url(url: str) -> str:
    if not re.match(r"file:///|(s3|gs|az)://\w", url):
        raise ValueError("must be file:///folder, s3://bucket/prefix, gs://… or az://…")
    return url


class MediaSettings(_Settings):
    """Settings of the file store: `file:///folder`, `s3://bucket/prefix`, `gs://…` or `az://…`."""

    media_url: Annotated[str, AfterValidator(_check_media_url)]
    media_options: Annotated[dict[str, str], Field(repr=False)] = {}
    """Options of the object store: for S3 `access_key_id`, `secret_access_key`, `region`, `endpoint`."""
