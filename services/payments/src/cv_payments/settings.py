"""Every environment variable of the payments service, read once."""

from typing import Annotated, Literal, Self

from cv_common.kernel.settings import DatabaseSettings, NatsSettings, ServiceSettings, SystemSettings
from pydantic import Field, model_validator

_LIVE_KEYS = ("sk_live_", "rk_live_")
_KEYS = (*_LIVE_KEYS, "sk_test_", "rk_test_")


class AccountSettings(SystemSettings):
    """What a Stripe account is set up with: all that is known before its webhook's secret is."""

    environment: Literal["development", "production"] = "development"
    """In production nothing but Stripe itself, in live mode, is accepted."""
    stripe_api_key: Annotated[str, Field(repr=False)]
    stripe_api_base: str | None = None
    """Where Stripe's API is, when it is not at Stripe: the local stand-in."""

    @property
    def livemode(self) -> bool:
        """Whether real money moves."""
        return self.stripe_api_key.startswith(_LIVE_KEYS)

    @model_validator(mode="after")
    def _account_fits(self) -> Self:
        if not self.stripe_api_key.startswith(_KEYS):
            raise ValueError("STRIPE_API_KEY must begin with sk_live_, rk_live_, sk_test_ or rk_test_")
        if self.livemode and self.environment != "production":
            raise ValueError("STRIPE_API_KEY is a live key: set ENVIRONMENT=production, or use a test key")
        if self.environment == "production":
            self._check_account()
        return self

    def _check_account(self) -> None:
        if not self.livemode:
            raise ValueError("in production STRIPE_API_KEY must be a live key")
        if self.stripe_api_base:
            raise ValueError("in production STRIPE_API_BASE must be empty: a live key is for Stripe itself")
        if not self.public_base_url.startswith("https://"):
            raise ValueError("in production PUBLIC_BASE_URL must be https")


class Settings(ServiceSettings, DatabaseSettings, NatsSettings, AccountSettings):
    """Payments asks resumes whether a resume exists, and Stripe for everything about money."""

    database_pool_size: Annotated[int, Field(ge=4)] = 16
    """Half of it may wait for Stripe, and a quarter keeps webhooks, while the rest answers."""
    resumes_url: str
    stripe_webhook_secrets: Annotated[tuple[str, ...], Field(repr=False)] = ()
    """Secrets a webhook may be signed with; two while they are rotated. None at all: no webhook is taken."""
    checkout_allowed_origins: tuple[str, ...]
    """Origins (`https://example.com`) a buyer may be sent back to."""
    checkout_promotion_codes: bool = False
    """Whether a buyer can enter a promotion code of the Stripe account on the payment page."""
    renewal_grace: Annotated[int, Field(ge=0)] = 72 * 3600
    """Seconds by which access outlasts a period whose renewal we have not heard of: Stripe may be slow to tell."""
    past_due_grace: Annotated[int, Field(ge=0)] = 7 * 24 * 3600
    """Seconds by which access outlasts an invoice that could not be collected."""

    @model_validator(mode="after")
    def _service_fits(self) -> Self:
        if any(not secret.startswith("whsec_") for secret in self.stripe_webhook_secrets):
            raise ValueError("each of STRIPE_WEBHOOK_SECRETS must begin with whsec_")
        if self.environment == "production":
            self._check_service()
        return self

    def _check_service(self) -> None:
        if not self.stripe_webhook_secrets or any("sandbox" in secret for secret in self.stripe_webhook_secrets):
            raise ValueError("in production STRIPE_WEBHOOK_SECRETS must hold the secrets of Stripe's own endpoint")
        if any(not origin.startswith("https://") for origin in self.checkout_allowed_origins):
            raise ValueError("in production CHECKOUT_ALLOWED_ORIGINS must be https")
