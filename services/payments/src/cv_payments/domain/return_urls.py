"""Where Stripe may send a buyer back to: exact origins, and nothing that two parsers could read differently."""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\\<>\"^`|]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> str | None:
    """`scheme://host:port` of an absolute http(s) URL; None when it is no such URL, or carries a user's name.

    A host in other letters than ASCII is written in Punycode, or it is none.
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
    """Whether `url` lies on one of the origins."""
    found = origin(url)
    return found is not None and found in {origin(allowed) for allowed in allowed_origins}
