"""Webhooks: is this body from Stripe, and from now?"""

import re
import time
from collections.abc import Sequence

import orjson
from stripe import SignatureVerificationError, WebhookSignature

from cv_payments.clients.stripe_reading import read_event
from cv_payments.domain.events import ReceivedEvent

TOLERANCE = 300
"""Seconds a signature may be old, or ahead of our clock."""


class BadSignature(Exception):
    """It is not signed, not by Stripe, not now, or is no event."""


def verify(raw: bytes, header: str | None, secrets: Sequence[str]) -> ReceivedEvent:
    """The event in a webhook's body, signed with one of the secrets. Raises BadSignature."""
    if not any(_is_signed(raw, header, secret) for secret in secrets):
        raise BadSignature("no signature fits")
    try:
        return read_event(orjson.loads(raw))
    except ValueError as error:
        raise BadSignature("the body is no event") from error


def _is_signed(raw: bytes, header: str | None, secret: str) -> bool:
    try:
        WebhookSignature.verify_header(raw, header, secret, TOLERANCE)
    except (SignatureVerificationError, TypeError, ValueError):  # a non-ASCII signature is a TypeError
        return False
    signed_at = re.search(r"(?:^|,)t=(\d+)", header or "")
    return signed_at is not None and int(signed_at[1]) <= time.time() + TOLERANCE
