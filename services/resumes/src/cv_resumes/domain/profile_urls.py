"""URLs of LinkedIn profiles: matched strictly, and rebuilt from the slug alone."""

import re
import unicodedata
from urllib.parse import quote, unquote

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_MAX_LENGTH = 200
"""The most characters of the rebuilt URL, as of a resume's `linkedin_url`."""
# Browsers show the letters of other alphabets in a slug, and copy them as such or as percent-encoded UTF-8.
# Control characters and backslashes never follow it: browsers drop the first, and read the second as slashes.
_PROFILE = re.compile(
    rf"(?i:(?:https?://)?(?:{_LABEL}\.){{0,3}}linkedin\.com)/in/"
    r"(?P<slug>(?:[A-Za-z0-9_-]|[^\x00-\x7f]|%[89A-Fa-f][0-9A-Fa-f]){1,150})"
    r"(?P<path>(?:/[^\x00-\x20\x7f\\?#]*)?)(?:[?#][^\x00-\x20\x7f\\]*)?",
    re.ASCII,
)


def profile_url(text: str) -> str | None:
    """Return `https://www.linkedin.com/in/<slug>` for a profile's URL as people paste it, None for anything else.

    Only the slug of `text` is used: never its host, port, user, query or fragment.
    """
    words = text.split()
    found = _PROFILE.fullmatch(words[0]) if len(words) == 1 else None
    if found is None or not _is_readable(found["slug"]) or _has_dot_segment(found["path"]):
        return None
    url = f"https://www.linkedin.com/in/{quote(found['slug'], safe='%')}"
    return url if len(url) <= _MAX_LENGTH else None


def _is_readable(slug: str) -> bool:
    """Return whether a decoded slug has only letters, marks and digits of any alphabet, `_` and `-`."""
    try:
        decoded = unquote(slug, errors="strict")
    except UnicodeDecodeError:
        return False
    return all(character in "_-" or unicodedata.category(character)[0] in "LMN" for character in decoded)


def _has_dot_segment(path: str) -> bool:
    """Return whether the path after the slug has a dot segment, which a browser would resolve."""
    return not {".", ".."}.isdisjoint(unquote(segment) for segment in path.split("/"))
