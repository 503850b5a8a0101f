"""A stored resume, its version, and the limit of its size."""

from dataclasses import dataclass
from datetime import datetime

from cv_common.kernel.etag import names_etag

from cv_resumes.domain.content import (
    CONTENT_FIELDS,
    FREE_SECTIONS,
    LONG_TEXTS,
    MAX_CONTENT_BYTES,
    MAX_ENTRIES,
    SECTIONS,
    ResumeContent,
)
from cv_resumes.domain.entitlement import Entitlement, entitlement
from cv_resumes.domain.owners import Owner
from cv_resumes.domain.sections import json_equal, size_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(ResumeContent):
    """A stored resume, with what is known of its template and of its payment.

    `template_revision` is that of the latest event about the template, or 0. `bought` is None while no payment is
    known, and `entitled_until` is the end of the owner's subscription.
    """

    id: int
    owner_key: str
    template_id: int
    template_is_premium: bool
    template_revision: int
    revision: int
    created_at: datetime
    updated_at: datetime
    last_accessed: datetime
    bought: bool | None
    entitled_until: datetime | None

    @property
    def owner(self) -> Owner:
        return Owner.from_key(self.owner_key)

    @property
    def etag(self) -> str:
        """The entity tag of this version."""
        return f'"{self.revision}"'

    def is_version(self, if_match: str | None) -> bool:
        """Return whether an `If-Match` header names this version. None names every version."""
        return if_match is None or names_etag(if_match, self.etag)

    def entitlement(self, now: datetime) -> Entitlement:
        """Return what is paid for this resume at `now`."""
        return entitlement(self.bought, self.entitled_until, now)


def photo_url(resume: Resume, public_base_url: str) -> str | None:
    """Return the absolute URL of a resume's photo, if it has one."""
    return public_base_url + resume.photo if resume.photo else None


@dataclass(frozen=True, slots=True)
class DeletedResume:
    """What remains to be done for a deleted resume: its deletion is announced, and its photo's file deleted."""

    id: int
    revision: int
    photo: str | None


def changed_fields(stored: ResumeContent, edited: ResumeContent) -> list[str]:
    """Return the names of the fields whose JSON differs."""
    values = ((field.name, getattr(stored, field.name), getattr(edited, field.name)) for field in CONTENT_FIELDS)
    return [
        name
        for name, before, after in values
        if before is not after and not json_equal(before, after, ordered_keys=name in FREE_SECTIONS)
    ]


def size_error(content: ResumeContent) -> str | None:
    """Return why the content is too large for a CV, or None."""
    sections = {name: getattr(content, name) for name in SECTIONS}
    if any(len(entries) > MAX_ENTRIES for entries in sections.values()):
        return f"A section may have at most {MAX_ENTRIES} entries."
    if size_of(sections | {name: getattr(content, name) for name in LONG_TEXTS}) > MAX_CONTENT_BYTES:
        return f"A CV may have at most {MAX_CONTENT_BYTES // 1024} KB."
    return None
