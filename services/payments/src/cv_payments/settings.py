"""All environment variables of the payments service."""

from typing import Annotated, Literal, Self

from cv_common.kernel.settings import DatabaseSettings, NatsSettings, ServiceSettings, SystemSettings
from pydantic import Field, model_validator

_LIVE_KEYS = ("sk_live_", "rk_live_")
_KEYS = (*_LIVE_KEYS, "sk_test_", "rk_test_")


class AccountSettings(SystemSettings):
    """The settings of `cv-payments setup-stripe`, which runs before there is a webhook secret."""

    environment: Literal["development", "production"] = "development"
    """Production accepts only Stripe itself, in live mode."""
    stripe_api_key: Annotated[str, Field(repr=False)]
    stripe_api_base: str | None = None
    """The base URL of the local Stripe sandbox; None for Stripe itself."""

    @property
    def livemode(self) -> bool:
        """Return whether the key moves real money."""
        return self.stripe_api_key.startswith(_LIVE_KEYS)

    @model_validator(mode="after")
    def _validate_account(self) -> Self:
        if not self.stripe_api_key.startswith(_KEYS):
            raise ValueError("STRIPE_API_KEY must begin with sk_live_, rk_live_, sk_test_ or rk_test_")
        if self.livemode and self.environment != "production":
            raise ValueError("STRIPE_API_KEY is a live key: set ENVIRONMENT=production, or use a test key")
        if self.environment == "production":
            if not self.livemode:
                raise ValueError("in production STRIPE_API_KEY must be a live key")
            if self.stripe_api_base:
                raise ValueError("in production STRIPE_API_BASE must be empty: a live key is for Stripe itself")
            if not self.public_base_url.startswith("https://"):
                raise ValueError("in production PUBLIC_BASE_URL must be https")
        return self


class Settings(ServiceSettings, DatabaseSettings, NatsSettings, AccountSettings):
    """The settings of the service."""

    database_pool_size: Annotated[int, Field(ge=4)] = 16
    """Half of the connections may wait for Stripe, a quarter stores webhooks, the rest serves other requests."""
    resumes_url: str
    stripe_webhook_secrets: Annotated[tuple[str, ...], Field(repr=False)] = ()
    """Secrets that a webhook may be signed with; two during a rotation. Without one, webhooks are answered with 404."""
    checkout_allowed_origins: tuple[str, ...]
    """Origins (`https://example.com`) that a buyer may return to."""
    checkout_promotion_codes: bool = False
    """Whether a buyer can enter a promotion code of the Stripe account on the checkout page."""
    renewal_grace: Annotated[int, Field(ge=0)] = 72 * 3600
    """Seconds of access after the end of a period whose renewal is not known yet: Stripe's events may be late."""
    past_due_grace: Annotated[int, Field(ge=0)] = 7 * 24 * 3600
    """Seconds of access after an invoice that could not be collected."""

    @model_validator(mode="after")
    def _validate_service(self) -> Self:
        if any(not secret.startswith("whsec_") for secret in self.stripe_webhook_secrets):
            raise ValueError("each of STRIPE_WEBHOOK_SECRETS must begin with whsec_")
        if self.environment == "production":
            if not self.stripe_webhook_secrets or any("sandbox" in secret for secret in self.stripe_webhook_secrets):
                raise ValueError("in production STRIPE_WEBHOOK_SECRETS must hold the secrets of Stripe's own endpoint")
            if any(not origin.startswith("https://") for origin in self.checkout_allowed_origins):
                raise ValueError("in production CHECKOUT_ALLOWED_ORIGINS must be https")
        return self
