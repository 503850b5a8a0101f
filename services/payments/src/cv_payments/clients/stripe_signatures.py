"""Webhooks: is this body from Stripe, and from now?"""

import re
import time
from collections.abc import Sequence
from typing import Any

import orjson
from stripe import SignatureVerificationError, WebhookSignature

from cv_payments.domain.events import ReceivedEvent

TOLERANCE = 300
"""Seconds a signature may be old, or ahead of our clock."""
_WORD = re.compile(r"[!-~]+")


class BadSignature(Exception):
    """It is not signed, not by Stripe, not now, or is no event."""


def verify(raw: bytes, header: str | None, secrets: Sequence[str]) -> ReceivedEvent:
    """The event in a webhook's body, signed with one of the secrets. Raises BadSignature."""
    if not any(_is_signed(raw, header, secret) for secret in secrets):
        raise BadSignature("no signature fits")
    try:
        return _event(orjson.loads(raw))
    except (ValueError, KeyError, TypeError) as error:
        raise BadSignature("the body is no event") from error


def _is_signed(raw: bytes, header: str | None, secret: str) -> bool:
    try:
        WebhookSignature.verify_header(raw, header, secret, TOLERANCE)
    except (SignatureVerificationError, TypeError, ValueError):  # a non-ASCII signature is a TypeError
        return False
    signed_at = re.search(r"(?:^|,)t=(\d+)", header or "")
    return signed_at is not None and int(signed_at[1]) <= time.time() + TOLERANCE


def _event(body: Any) -> ReceivedEvent:
    if body["object"] != "event" or not _is_word(body["id"], 255) or not _is_word(body["type"], 100):
        raise ValueError("not an event")
    return ReceivedEvent(body["id"], body["type"], body["livemode"] is True, _object_id(body))


def _object_id(body: Any) -> str | None:
    """What the event is about; None for one that does not say, which is quarantined rather than refused."""
    try:
        found = body["data"]["object"]["id"]
    except (KeyError, TypeError):
        return None
    return found if _is_word(found, 255) else None


def _is_word(value: Any, longest: int) -> bool:
    """Stripe's ids and types are some visible ASCII characters."""
    return isinstance(value, str) and len(value) <= longest and _WORD.fullmatch(value) is not None
