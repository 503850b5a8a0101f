"""Hyperlinks of a document: which may be clicked, and how an address reads on paper."""

import re
from urllib.parse import quote, urlsplit

_ALLOWED = frozenset({"http", "https", "mailto", "tel"})
_NATIONAL_ZERO = re.compile(r"(\+\d+\s*)\(0\)")
_SHOWN_WITHOUT = re.compile(r"^https?://(www\.)?", re.IGNORECASE)


def is_safe_link(url: str) -> bool:
    """Whether a link may be put into a PDF: http, https, mailto and tel only."""
    try:
        return urlsplit(url.strip()).scheme.lower() in _ALLOWED
    except ValueError:
        return False


def web_link(url: str | None) -> str:
    """`url` when it is a web address that may be linked, else an empty text."""
    text = (url or "").strip()
    return text if text.lower().startswith(("http://", "https://")) and is_safe_link(text) else ""


def mail_link(address: str | None) -> str:
    """`mailto:` for an e-mail address."""
    return f"mailto:{quote(address, safe='@+')}" if address else ""


def phone_link(number: str | None) -> str:
    """`tel:` for a phone number in any notation (`+33 (0)6 …`); empty when it has no digits."""
    digits = re.sub(r"[^\d+]", "", _NATIONAL_ZERO.sub(r"\1", number or ""))
    return f"tel:{digits}" if digits.strip("+") else ""


def readable_address(url: str | None) -> str:
    """A web address as people write it: without scheme, `www.` and a closing slash."""
    return _SHOWN_WITHOUT.sub("", (url or "").strip()).rstrip("/")
