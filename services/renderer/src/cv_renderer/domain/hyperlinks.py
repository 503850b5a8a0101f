"""Hyperlinks of a document: which URLs are allowed, and how addresses are displayed."""

import re
from urllib.parse import quote, unquote, urlsplit

from cv_common.drf.addresses import is_web_address

_WEB_SCHEMES, _OTHER_SCHEMES = frozenset({"http", "https"}), frozenset({"mailto", "tel"})
_URL_WITHOUT_SCHEME = re.compile(r"[^\s:@/\\?#\[\]]+\.[^\s:@/\\?#\[\]0-9]+(?:[/?#][^\s\\]*)?")
_NATIONAL_PREFIX = re.compile(r"(\+\d+\s*)\(0\)")
_HIDDEN_PREFIX = re.compile(r"^https?://(www\.)?", re.IGNORECASE)


def is_safe_link(url: str) -> bool:
    """Return whether a link is allowed in a PDF: mailto, tel, and valid http and https URLs."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    if parts.scheme in _WEB_SCHEMES:  # WeasyPrint percent-encodes the letters of a host, as browsers accept
        return is_web_address(parts._replace(netloc=unquote(parts.netloc)).geturl())
    return parts.scheme in _OTHER_SCHEMES


def web_link(url: str | None) -> str:
    """Return `url` if it is a valid http or https URL, with `https://` if it has no scheme; else an empty string."""
    text = (url or "").strip()
    address = f"https://{text}" if _URL_WITHOUT_SCHEME.fullmatch(text) else text
    return address if is_web_address(address) else ""


def mail_link(address: str | None) -> str:
    """Return the `mailto:` URL of an email address."""
    return f"mailto:{quote(address, safe='@+')}" if address else ""


def phone_link(number: str | None) -> str:
    """Return the `tel:` URL of a phone number in any notation (`+33 (0)6 …`); an empty string if it has no digits."""
    digits = re.sub(r"[^\d+]", "", _NATIONAL_PREFIX.sub(r"\1", number or ""))
    return f"tel:{digits}" if digits.strip("+") else ""


def readable_address(url: str | None) -> str:
    """Return a URL for display: without scheme, `www.` and trailing slash."""
    text = (url or "").strip()
    return _HIDDEN_PREFIX.sub("", text).rstrip("/") or text
