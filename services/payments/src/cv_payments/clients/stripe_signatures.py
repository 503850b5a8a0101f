"""Verification of webhooks: signature and time."""

import re
import time
from collections.abc import Sequence

import orjson
from stripe import SignatureVerificationError, WebhookSignature

from cv_payments.clients.stripe_parsing import parse_event
from cv_payments.domain.events import StripeEvent

TOLERANCE = 300
"""Seconds by which a signature may be old, or ahead of this clock."""


class InvalidWebhook(Exception):
    """The body has no valid signature, an old one, or is not an event."""


def parse_webhook(raw: bytes, signature: str | None, secrets: Sequence[str]) -> StripeEvent:
    """Return the event in a webhook's body, signed with one of the secrets. Raises InvalidWebhook."""
    if not any(_is_signed(raw, signature, secret) for secret in secrets):
        raise InvalidWebhook("no signature fits")
    try:
        return parse_event(orjson.loads(raw))
    except ValueError as error:
        raise InvalidWebhook("the body is no event") from error


def _is_signed(raw: bytes, signature: str | None, secret: str) -> bool:
    try:
        WebhookSignature.verify_header(raw, signature, secret, TOLERANCE)
    except (SignatureVerificationError, TypeError, ValueError):  # a non-ASCII signature raises TypeError
        return False
    signed_at = re.search(r"(?:^|,)t=(\d+)", signature or "")
    return signed_at is not None and int(signed_at[1]) <= time.time() + TOLERANCE
