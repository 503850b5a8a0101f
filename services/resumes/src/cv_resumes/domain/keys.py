"""Keys that clients give to requests which are to take effect once."""

import re
from uuid import UUID

from cv_common.drf.openapi_headers import EXAMPLE_IDEMPOTENCY_KEY

MAX_LENGTH = 255
REQUEST_SCOPE = "request:"
"""Begins the scope of keys that came without a session: a digest of the request follows."""

_LEAST_DISTINCT_DIGITS = 8
"""Of 16 hexadecimal digits; one random UUID in millions has fewer."""
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def is_random_uuid(key: str) -> bool:
    """Is a key a UUID of 122 random bits (version 4), so that whoever has it is whoever made it?

    How random it is cannot be seen, but a key of few different digits was written by hand, and the key of the
    documentation's example is everybody's.
    """
    if not _UUID.fullmatch(key) or key.lower() == EXAMPLE_IDEMPOTENCY_KEY:
        return False
    uuid = UUID(key)
    return uuid.version == 4 and len(set(uuid.hex)) >= _LEAST_DISTINCT_DIGITS
