"""How PDFs are named, and in which language."""

import re
import unicodedata
from datetime import date

LANGUAGES = ("fr", "en")


def pdf_name(full_name: str, day: date, watermarked: bool) -> str:
    """`john_doe_cv_20251029.pdf`; a name without any Latin letter or digit becomes `cv`."""
    ascii_name = unicodedata.normalize("NFKD", full_name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", ascii_name).strip("_")[:80] or "cv"
    return f"{slug}_cv_{day:%Y%m%d}{'_watermarked' if watermarked else ''}.pdf"


def choose_language(accept_language: str, default: str) -> str:
    """The first language of an `Accept-Language` header that we have, else `default`."""
    for item in accept_language.split(","):
        language = item.partition(";")[0].strip().lower().partition("-")[0]
        if language in LANGUAGES:
            return language
    return default
