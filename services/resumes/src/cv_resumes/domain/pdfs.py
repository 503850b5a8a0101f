"""The file name and the language of a PDF."""

import re
import unicodedata
from datetime import date

LANGUAGES = ("fr", "en")
_LETTERS = str.maketrans("łøđħð\N{LATIN SMALL LETTER DOTLESS I}", "lodhdi") | str.maketrans(
    {"æ": "ae", "œ": "oe", "ß": "ss", "þ": "th"}
)
"""Latin letters that Unicode does not decompose into a letter and an accent."""


def pdf_name(full_name: str, day: date, watermarked: bool) -> str:
    """Return a name such as `john_doe_cv_20251029.pdf`. A name without Latin letters and digits becomes `cv`."""
    letters = unicodedata.normalize("NFKD", full_name).lower().translate(_LETTERS)
    unaccented = "".join(letter for letter in letters if not unicodedata.combining(letter))
    slug = re.sub(r"[^a-z0-9]+", "_", unaccented).strip("_")[:80] or "cv"
    return f"{slug}_cv_{day:%Y%m%d}{'_watermarked' if watermarked else ''}.pdf"


def choose_language(accept_language: str, default: str) -> str:
    """Return the first supported language of an `Accept-Language` header, else `default`."""
    for item in accept_language.split(","):
        language = item.partition(";")[0].strip().lower().partition("-")[0]
        if language in LANGUAGES:
            return language
    return default
