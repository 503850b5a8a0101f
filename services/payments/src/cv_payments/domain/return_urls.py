"""URLs that Stripe may send a buyer back to: exact origins, in a form that all URL parsers read alike."""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

ORIGIN_NOT_ALLOWED = "This address is not one that buyers may return to."
"""The error for a valid URL on another origin."""
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\\<>\"^`|]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> str | None:
    """Return `scheme://host:port` of an absolute http(s) URL; None for another URL, and for one with user information.

    An internationalized host must be in Punycode.
    """
    if _UNSAFE.search(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or not parts.netloc.isascii():
        return None
    return f"{parts.scheme}://{parts.hostname}:{port}"


def is_allowed(url: str, allowed_origins: Collection[str]) -> bool:
    """Return whether `url` has one of the allowed origins."""
    found = origin(url)
    return found is not None and found in {origin(allowed) for allowed in allowed_origins}
