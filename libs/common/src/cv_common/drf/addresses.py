"""Validation of e-mail addresses and URLs by Django's rules, and normalization of e-mail addresses."""

import re
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

import idna

_LETTER = "a-z\u00a1-\uffff"
_HOST = (
    rf"[{_LETTER}0-9](?:[{_LETTER}0-9-]{{0,61}}[{_LETTER}0-9])?"
    rf"(?:\.(?!-)[{_LETTER}0-9-]{{1,63}}(?<!-))*"
    rf"\.(?!-)(?:[{_LETTER}-]{{2,63}}|xn--[a-z0-9]{{1,59}})(?<!-)"
)
_ATOM = r"[-!#$%&'*+/=?^_`{}|~0-9a-z]+"
_QUOTED = r'"(?:[\x01-\x08\x0b\x0c\x0e-\x1f!#-\[\]-\x7f]|\\[\x01-\x09\x0b\x0c\x0e-\x7f])*"'
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"

_MAILBOX = re.compile(rf"{_ATOM}(?:\.{_ATOM})*|{_QUOTED}", re.IGNORECASE)
_MAIL_HOST = re.compile(rf"{_HOST}|localhost", re.IGNORECASE)
_WEB_ADDRESS = re.compile(
    r"https?://"
    r"(?:[^\s:@/\\]+(?::[^\s:@/\\]*)?@)?"
    rf"(?:{_BYTE}(?:\.{_BYTE}){{3}}|\[[0-9a-f:.]+\]|{_HOST}\.?|localhost)"
    r"(?::[0-9]{1,5})?"
    r"(?:[/?#]\S*)?",
    re.IGNORECASE,
)
_MAX_EMAIL, _MAX_URL, _MAX_HOST = 320, 2048, 253


def is_email(text: str) -> bool:
    """Return whether `text` has the form of an e-mail address. Does not query DNS."""
    mailbox, _, host = text.rpartition("@")
    if len(text) > _MAX_EMAIL or not _MAILBOX.fullmatch(mailbox):
        return False
    if host.startswith("[") and host.endswith("]"):
        return _is_ip(host[1:-1])
    return _MAIL_HOST.fullmatch(host) is not None


def normalized_email(text: str) -> str:
    """Return an address with the Unicode form of an internationalized domain: `xn--mller-kva.de` becomes `müller.de`.

    Returns any other text unchanged.
    """
    mailbox, _, host = text.rpartition("@")
    if len(text) > _MAX_EMAIL or (host.isascii() and "xn--" not in host.lower()):
        return text
    with suppress(idna.IDNAError, UnicodeError):
        labels = idna.uts46_remap(host, std3_rules=False, transitional=False).split(".")
        normalized = f"{mailbox}@{'.'.join(_unicode_label(label) for label in labels)}"
        if is_email(normalized):
            return normalized
    return text


def email_spellings(text: str) -> tuple[str, str, str]:
    """Return an address unchanged, with the Unicode form of its domain, and with the ASCII form."""
    normalized = normalized_email(text)
    mailbox, _, host = normalized.rpartition("@")
    if host.isascii():
        return text, normalized, normalized
    return text, normalized, f"{mailbox}@{'.'.join(_ascii_label(label) for label in host.split('.'))}"


def _unicode_label(label: str) -> str:
    """Return the Unicode form of a label, unless its ASCII form would be another label."""
    if label.startswith("xn--"):
        letters = label[4:].encode().decode("punycode")
        if idna.uts46_remap(letters, std3_rules=False, transitional=False) == letters != label[4:]:
            return letters
    return label


def _ascii_label(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"


def is_web_address(text: str) -> bool:
    """Return whether `text` has the form of an absolute http or https URL.

    Rejects a backslash before the path, unlike Django: browsers and libraries disagree about the host of such a URL.
    """
    if len(text) > _MAX_URL or not _WEB_ADDRESS.fullmatch(text):
        return False
    try:
        parts = urlsplit(text)
        if "[" in parts.netloc:
            IPv6Address(parts.hostname or "")
    except ValueError:
        return False
    return len(parts.hostname or "") <= _MAX_HOST


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
