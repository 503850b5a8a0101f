"""Entity tags for conditional requests: `If-None-Match` and `If-Match` (RFC 9110, section 13.1)."""

from hashlib import sha256


def etag_of(content: bytes) -> str:
    """Return a strong entity tag: a hash of `content`."""
    return f'"{sha256(content).hexdigest()[:32]}"'


def names_etag(header: str | None, etag: str) -> bool:
    """Return whether the header contains `etag`, alone or in a list, or is `*`. A weak tag matches a strong one.

    For `If-Match`, RFC 9110 (13.1.1) forbids weak matches. They are accepted because compressing proxies weaken tags.
    """
    tags = {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags
