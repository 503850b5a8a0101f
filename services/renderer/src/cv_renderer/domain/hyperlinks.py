"""Hyperlinks of a document: which may be clicked, and how an address reads on paper."""

import re
from urllib.parse import quote, unquote, urlsplit

from cv_common.drf.addresses import is_web_address

_WEB, _OTHERS = frozenset({"http", "https"}), frozenset({"mailto", "tel"})
_NO_SCHEME = re.compile(r"[^\s:@/\\?#\[\]]+\.[^\s:@/\\?#\[\]0-9]+(?:[/?#][^\s\\]*)?")
_NATIONAL_ZERO = re.compile(r"(\+\d+\s*)\(0\)")
_SHOWN_WITHOUT = re.compile(r"^https?://(www\.)?", re.IGNORECASE)


def is_safe_link(url: str) -> bool:
    """Whether a link may be put into a PDF: mailto, tel, and valid http and https addresses only."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    if parts.scheme in _WEB:  # WeasyPrint percent-encodes the letters of a host, as browsers accept
        return is_web_address(parts._replace(netloc=unquote(parts.netloc)).geturl())
    return parts.scheme in _OTHERS


def web_link(url: str | None) -> str:
    """The valid http or https address that `url` is, with `https://` where no scheme was typed; else an empty text."""
    text = (url or "").strip()
    address = f"https://{text}" if _NO_SCHEME.fullmatch(text) else text
    return address if is_web_address(address) else ""


def mail_link(address: str | None) -> str:
    """`mailto:` for an e-mail address."""
    return f"mailto:{quote(address, safe='@+')}" if address else ""


def phone_link(number: str | None) -> str:
    """`tel:` for a phone number in any notation (`+33 (0)6 …`); empty when it has no digits."""
    digits = re.sub(r"[^\d+]", "", _NATIONAL_ZERO.sub(r"\1", number or ""))
    return f"tel:{digits}" if digits.strip("+") else ""


def readable_address(url: str | None) -> str:
    """A web address as people write it: without scheme, `www.` and a closing slash."""
    text = (url or "").strip()
    return _SHOWN_WITHOUT.sub("", text).rstrip("/") or text
