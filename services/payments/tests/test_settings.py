"""Validation of the settings, case by case."""

from typing import Any

import pytest
from cv_common.kernel.identity import generate_keys
from cv_payments.settings import Settings
from pydantic import ValidationError

DEVELOPMENT: dict[str, Any] = {
    "identity_private_key": generate_keys()[0],
    "identity_public_keys": {},
    "database_url": "postgresql://localhost/payments",
    "nats_url": "nats://localhost",
    "nats_user": "payments",
    "nats_password": "x",
    "resumes_url": "http://localhost:8003",
    "stripe_api_key": "sk_test_1",
    "stripe_api_base": "http://localhost:8010",
    "stripe_webhook_secrets": ("whsec_sandbox_1",),
    "checkout_allowed_origins": ("http://localhost:3000",),
}
PRODUCTION: dict[str, Any] = {
    **DEVELOPMENT,
    "environment": "production",
    "public_base_url": "https://cv.example",
    "stripe_api_key": "rk_live_1",
    "stripe_api_base": None,
    "stripe_webhook_secrets": ("whsec_new", "whsec_old"),
    "checkout_allowed_origins": ("https://cv.example", "https://app.cv.example"),
}


@pytest.mark.parametrize(
    ("usual", "changes", "livemode"),
    [
        (DEVELOPMENT, {}, False),
        (DEVELOPMENT, {"stripe_api_key": "rk_test_1"}, False),
        (DEVELOPMENT, {"stripe_api_base": None}, False),
        (DEVELOPMENT, {"stripe_webhook_secrets": ()}, False),
        (PRODUCTION, {}, True),
        (PRODUCTION, {"stripe_api_key": "sk_live_1"}, True),
    ],
)
def test_valid_settings(usual: dict[str, Any], changes: dict[str, Any], livemode: bool) -> None:
    assert Settings(**(usual | changes)).livemode is livemode


@pytest.mark.parametrize(
    ("usual", "changes", "message"),
    [
        (DEVELOPMENT, {"stripe_api_key": "pk_test_1"}, "STRIPE_API_KEY must begin with"),
        (DEVELOPMENT, {"stripe_api_key": ""}, "STRIPE_API_KEY must begin with"),
        (DEVELOPMENT, {"stripe_api_key": "sk_live_1"}, "set ENVIRONMENT=production"),
        (DEVELOPMENT, {"stripe_api_key": "rk_live_1", "stripe_api_base": None}, "set ENVIRONMENT=production"),
        (DEVELOPMENT, {"stripe_webhook_secrets": ("secret",)}, "must begin with whsec_"),
        (DEVELOPMENT, {"stripe_webhook_secrets": ("whsec_1", "")}, "must begin with whsec_"),
        (DEVELOPMENT, {"past_due_grace": -1}, "greater than or equal"),
        (DEVELOPMENT, {"database_pool_size": 3}, "greater than or equal"),
        (DEVELOPMENT, {"renewal_grace": -1}, "greater than or equal"),
        (DEVELOPMENT, {"environment": "prod"}, "'development' or 'production'"),
        (PRODUCTION, {"stripe_api_key": "sk_test_1"}, "STRIPE_API_KEY must be a live key"),
        (PRODUCTION, {"stripe_api_key": "rk_test_1"}, "STRIPE_API_KEY must be a live key"),
        (PRODUCTION, {"stripe_api_base": "http://localhost:8010"}, "STRIPE_API_BASE must be empty"),
        (PRODUCTION, {"stripe_api_base": "https://api.stripe.com"}, "STRIPE_API_BASE must be empty"),
        (PRODUCTION, {"stripe_webhook_secrets": ()}, "STRIPE_WEBHOOK_SECRETS must hold"),
        (PRODUCTION, {"stripe_webhook_secrets": ("whsec_1", "whsec_sandbox_2")}, "STRIPE_WEBHOOK_SECRETS must hold"),
        (PRODUCTION, {"public_base_url": "http://cv.example"}, "PUBLIC_BASE_URL must be https"),
        (PRODUCTION, {"checkout_allowed_origins": ("https://a.example", "http://b.example")}, "must be https"),
    ],
)
def test_invalid_settings(usual: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        Settings(**(usual | changes))
    assert "_live_1" not in str(refused.value)


def test_secrets_are_not_shown() -> None:
    shown = repr(Settings(**PRODUCTION))
    assert "rk_live_1" not in shown
    assert "whsec_new" not in shown
