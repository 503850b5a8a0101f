"""Addresses of LinkedIn profiles: recognised strictly, and rebuilt from the one part that is kept."""

import re
import unicodedata
from urllib.parse import unquote

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A slug is ASCII; the letters of other alphabets come as the percent-encoded bytes of their UTF-8.
_PROFILE = re.compile(
    rf"(?i:https://(?:{_LABEL}\.){{0,3}}linkedin\.com)/in/"
    r"(?P<slug>(?:[A-Za-z0-9_-]|%[89A-Fa-f][0-9A-Fa-f]){1,150})"
    r"/?(?:\?[!\"$-\[\]-~]*)?(?:#[\w.~!$&'()*+,;=:/?%-]*)?",
    re.ASCII,
)


def profile_url(text: str) -> str | None:
    """`https://www.linkedin.com/in/<slug>` for the address of a profile, None for anything else.

    Nothing of `text` but the slug survives: no host, port, user, query or fragment of somebody's choosing.
    """
    found = _PROFILE.fullmatch(text.strip(" "))
    if found is None or not _is_readable(found["slug"]):
        return None
    return f"https://www.linkedin.com/in/{found['slug']}"


def _is_readable(slug: str) -> bool:
    """Are the encoded bytes of a slug letters, marks and digits in UTF-8?"""
    try:
        decoded = unquote(slug, errors="strict")
    except UnicodeDecodeError:
        return False
    return all(character in "_-" or unicodedata.category(character)[0] in "LMN" for character in decoded)
