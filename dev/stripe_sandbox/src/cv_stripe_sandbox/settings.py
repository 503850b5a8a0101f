"""Every environment variable of the sandbox, read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """The settings of the sandbox. Durations are in seconds."""

    data: Path = Path(".data/stripe_sandbox")
    host: str = "127.0.0.1"
    port: int = 8010
    public_url: str = "http://localhost:8010"
    api_key: str | None = None
    webhook_url: str | None = None
    webhook_events: tuple[str, ...] = ("*",)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    checkout_wait: float = 10.0
    webhook_timeout: float = 20.0
    webhook_retry: float = 1.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the SANDBOX_* variables. Raises ValueError, which names the invalid variable."""
        port = int(_number(environment, "SANDBOX_PORT", 8010))
        settings = cls(
            data=Path(environment.get("SANDBOX_DATA", ".data/stripe_sandbox")),
            host=environment.get("SANDBOX_HOST", "127.0.0.1"),
            port=port,
            public_url=environment.get("SANDBOX_PUBLIC_URL", f"http://localhost:{port}").rstrip("/"),
            api_key=environment.get("SANDBOX_API_KEY") or None,
            webhook_url=environment.get("SANDBOX_WEBHOOK_URL") or None,
            webhook_events=_words(environment, "SANDBOX_WEBHOOK_EVENTS") or ("*",),
            webhook_secrets=_words(environment, "SANDBOX_WEBHOOK_SECRET"),
            checkout_wait=_number(environment, "SANDBOX_CHECKOUT_WAIT", 10.0),
            webhook_timeout=_number(environment, "SANDBOX_WEBHOOK_TIMEOUT", 20.0),
            webhook_retry=_number(environment, "SANDBOX_WEBHOOK_RETRY", 1.0),
        )
        settings.check()
        return settings

    def check(self) -> None:
        """Raise ValueError for invalid combinations and for live keys."""
        if self.api_key and not self.api_key.startswith(("sk_test_", "rk_test_")):
            raise ValueError("SANDBOX_API_KEY must begin with sk_test_ or rk_test_")
        if self.webhook_url and not self.webhook_secrets:
            raise ValueError("SANDBOX_WEBHOOK_URL needs SANDBOX_WEBHOOK_SECRET to sign with")
        if any(not secret.startswith("whsec_") for secret in self.webhook_secrets):
            raise ValueError("SANDBOX_WEBHOOK_SECRET must begin with whsec_")


def _words(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environment.get(name, "").split(",") if part.strip())


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    try:
        return float(text) if text else default
    except ValueError:
        raise ValueError(f"{name} must be a number, not {text!r}") from None
