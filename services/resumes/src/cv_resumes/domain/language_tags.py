"""BCP 47 language tags."""

import re

from babel import Locale
from babel.localedata import exists

_TAG = re.compile(r"(?P<language>[a-z]{2,3})(-(?P<script>[a-z]{4}))?(-(?P<region>[a-z]{2}|[0-9]{3}))?", re.IGNORECASE)


def language_tag(text: str) -> str | None:
    """Return a BCP 47 tag of language, script and region in its usual case (`pt-BR`), or None if CLDR lacks a part."""
    found = _TAG.fullmatch(text)
    if found is None:
        return None
    language, script, region = (
        found["language"].lower(),
        (found["script"] or "").title(),
        (found["region"] or "").upper(),
    )
    names = Locale("en")
    is_language = language in names.languages or exists(language)
    if not is_language or (script and script not in names.scripts) or (region and region not in names.territories):
        return None
    return "-".join(filter(None, (language, script, region)))
