"""The file name of a PDF, and the language of an import."""

import re
import unicodedata
from datetime import date

from anyascii import anyascii

LANGUAGES = ("fr", "en")
"""The languages of the titles that imports give to sections."""


def pdf_name(full_name: str, email: str, day: date, watermarked: bool) -> str:
    """Return a name such as `john_doe_cv_20251029.pdf`.

    A name in other letters is transliterated. The part of the email address before `@` takes the place of a name
    without letters and digits.
    """
    slug = _slug(full_name) or _slug(email.partition("@")[0]) or "cv"
    return f"{slug}_cv_{day:%Y%m%d}{'_watermarked' if watermarked else ''}.pdf"


def _slug(text: str) -> str:
    """Return `text` in lower-case ASCII letters and digits, with `_` for the rest.

    Marks belong to the letters before them: vowels of Indic scripts, accents.
    """
    words = "".join(
        each if each.isalnum() or unicodedata.category(each).startswith("M") else " "
        for each in unicodedata.normalize("NFKC", text)
    )
    return "_".join(re.sub(r"[^a-z0-9 ]", "", anyascii(words).lower()).split())[:80].strip("_")


def choose_language(accept_language: str, default: str) -> str:
    """Return the first supported language of an `Accept-Language` header, else `default`."""
    for item in accept_language.split(","):
        language = item.partition(";")[0].strip().lower().partition("-")[0]
        if language in LANGUAGES:
            return language
    return default
