"""Entity tags: how a client asks for something only if it changed, or changes it only if it did not."""

from hashlib import sha256


def etag_of(content: bytes) -> str:
    """A strong entity tag: equal for equal bytes only."""
    return f'"{sha256(content).hexdigest()[:32]}"'


def names_etag(header: str | None, etag: str) -> bool:
    """Does `If-None-Match` or `If-Match` name this tag, alone, in a list, or by `*`? A weak tag equals the strong one.

    So it does in `If-Match` too, against RFC 9110 (13.1.1): proxies that compress weaken the tags of answers.
    """
    tags = {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags
