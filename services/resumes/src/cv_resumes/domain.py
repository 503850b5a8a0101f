"""The rules of resumes, free of any machinery: who owns one, what an edit keeps, what is paid, what is watermarked."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

Entry = dict[str, Any]
"""One experience, education or skill, as JSON."""

PaymentType = Literal["free", "single", "subscription"]

ENTRY_SECTIONS = ("experiences", "education", "skills")
"""Sections whose entries have ids of ours."""
FREE_SECTIONS = ("languages_data", "certifications_data", "projects_data", "custom_sections")
"""Sections whose entries are kept as they were sent."""
SECTIONS = ENTRY_SECTIONS + FREE_SECTIONS
MAX_ENTRIES = 200
MAX_DOCUMENT_BYTES = 256 * 1024
LANGUAGES = ("fr", "en")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a resume belongs to: an account, or an anonymous session. Exactly one of the two is set."""

    user_id: int | None = None
    session_id: str | None = None

    @property
    def key(self) -> str:
        """How the owner is written in the database."""
        return f"user:{self.user_id}" if self.user_id is not None else f"session:{self.session_id}"

    @classmethod
    def of_key(cls, key: str) -> "Owner":
        kind, _, name = key.partition(":")
        return cls(user_id=int(name)) if kind == "user" else cls(session_id=name)


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What was paid for one resume, at one moment."""

    bought: bool
    subscribed: bool

    @property
    def is_paid(self) -> bool:
        return self.bought or self.subscribed

    @property
    def payment_type(self) -> PaymentType:
        if self.bought:
            return "single"
        return "subscription" if self.subscribed else "free"

    def needs_watermark(self, premium_template: bool) -> bool:
        """A PDF is watermarked only when its template is premium and nothing was paid."""
        return premium_template and not self.is_paid


def entitlement(bought: bool | None, entitled_until: datetime | None, now: datetime) -> Entitlement:
    """The entitlement from what payments last told us; never stored, because time alone changes it."""
    return Entitlement(bought=bool(bought), subscribed=entitled_until is not None and now < entitled_until)


def reconcile_section(stored: Sequence[Entry], sent: Sequence[Entry]) -> list[Entry]:
    """The section as it is after `sent` replaced `stored`, sorted by `order`.

    An entry keeps its stored id when it was sent back with that id, or when it says the same as a stored entry
    (whatever its place). Every other entry has `id` None and waits for a new one: ids of others, and an id sent
    twice, count for nothing.
    """
    free = {entry["id"]: entry for entry in stored}
    result = [{**entry, "id": free.pop(entry["id"])["id"] if entry.get("id") in free else None} for entry in sent]
    for entry in result:
        if entry["id"] is None:
            entry["id"] = next((known for known, other in free.items() if _same(entry, other)), None)
            free.pop(entry["id"], None)
    for place, entry in enumerate(result):
        if entry.get("order") is None:
            entry["order"] = place
    return sorted(result, key=lambda entry: entry["order"])


def _same(one: Entry, other: Entry) -> bool:
    """Do two entries say the same, apart from where they stand?"""
    apart = {"id", "order"}
    return {k: v for k, v in one.items() if k not in apart} == {k: v for k, v in other.items() if k not in apart}


def number_entries(entries: Iterable[Entry], new_ids: Iterable[int]) -> list[Entry]:
    """`entries` with the next of `new_ids` where an id is missing, ids first."""
    ids = iter(new_ids)
    return [{**entry, "id": next(ids) if entry["id"] is None else entry["id"]} for entry in entries]


def missing_ids(entries: Iterable[Entry]) -> int:
    """How many entries wait for an id."""
    return sum(entry["id"] is None for entry in entries)


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
