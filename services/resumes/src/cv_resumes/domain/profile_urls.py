"""Addresses of LinkedIn profiles: recognized strictly, and rebuilt from the slug alone."""

import re
import unicodedata
from urllib.parse import unquote

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A slug is ASCII; the letters of other alphabets come as the percent-encoded bytes of their UTF-8.
# Control characters and backslashes never follow it: browsers drop the first, and read the second as slashes.
_PROFILE = re.compile(
    rf"(?i:(?:https?://)?(?:{_LABEL}\.){{0,3}}linkedin\.com)/in/"
    r"(?P<slug>(?:[A-Za-z0-9_-]|%[89A-Fa-f][0-9A-Fa-f]){1,150})"
    r"(?P<path>(?:/[^\x00-\x20\x7f\\?#]*)?)(?:[?#][^\x00-\x20\x7f\\]*)?",
    re.ASCII,
)


def profile_url(text: str) -> str | None:
    """`https://www.linkedin.com/in/<slug>` for the address of a profile as people paste it, None for anything else.

    Nothing of `text` but the slug survives: no host, port, user, query or fragment of somebody's choosing.
    """
    words = text.split()
    found = _PROFILE.fullmatch(words[0]) if len(words) == 1 else None
    if found is None or not _is_readable(found["slug"]) or _leads_elsewhere(found["path"]):
        return None
    return f"https://www.linkedin.com/in/{found['slug']}"


def _is_readable(slug: str) -> bool:
    """Are the encoded bytes of a slug letters, marks and digits in UTF-8?"""
    try:
        decoded = unquote(slug, errors="strict")
    except UnicodeDecodeError:
        return False
    return all(character in "_-" or unicodedata.category(character)[0] in "LMN" for character in decoded)


def _leads_elsewhere(path: str) -> bool:
    """Has the path after the slug a dot segment, which a browser would resolve?"""
    return not {".", ".."}.isdisjoint(unquote(segment) for segment in path.split("/"))
