"""The JSON of the contract for resumes, as it goes out."""

from datetime import date, datetime
from typing import Any, Literal

from cv_common.kernel.database import Row
from pydantic import AnyUrl, BaseModel, ConfigDict
from pydantic.json_schema import SkipJsonSchema

from cv_resumes.domain.entitlement import PaymentType, entitlement
from cv_resumes.domain.owners import Owner
from cv_resumes.domain.sections import SECTIONS, Entry


class Experience(BaseModel):
    """A job."""

    id: int
    company: str
    position: str
    location: str | None
    start_date: date
    end_date: date | None
    is_current: bool
    description: str | None
    order: int


class Education(BaseModel):
    """A course of study."""

    id: int
    institution: str
    degree: str
    field_of_study: str | None
    location: str | None
    start_date: date
    end_date: date | None
    is_current: bool
    grade: str | None
    description: str | None
    order: int


class Skill(BaseModel):
    """Something one can do, and how well."""

    id: int
    name: str
    level: Literal["beginner", "intermediate", "advanced", "expert"] | None
    category: str | None
    order: int


class _FreeEntry(BaseModel):
    """An entry with the keys that were sent, and no other."""

    model_config = ConfigDict(extra="allow")


class Language(_FreeEntry):
    """A language and how well it is spoken."""

    language: str | None = None
    level: str | None = None


class Certification(_FreeEntry):
    """A certificate; its date is a text as it was typed."""

    name: str | None = None
    issuer: str | None = None
    date: str | None = None


class Project(_FreeEntry):
    """A project; its address is a text as it was typed."""

    name: str | None = None
    description: str | None = None
    url: str | None = None


class CustomSection(_FreeEntry):
    """A section under a title of one's own."""

    title: str | None = None
    content: str | None = None


class Resume(BaseModel):
    """A resume as it is answered."""

    id: int
    session_id: str | None
    user: int | None
    template: int
    full_name: str
    email: str
    phone: str | None
    address: str | None
    website: str | None
    linkedin_url: str | None
    github_url: str | None
    photo: AnyUrl | None
    title: str | None
    summary: str | None
    experiences: list[Experience]
    education: list[Education]
    skills: list[Skill]
    languages_data: list[Language]
    certifications_data: list[Certification]
    projects_data: list[Project]
    custom_sections: list[CustomSection]
    is_paid: bool
    payment_type: PaymentType
    can_export_without_watermark: bool
    created_at: datetime
    updated_at: datetime
    last_accessed: datetime


class ImportNote(BaseModel):
    """What of a source did not come along."""

    file: str
    """The file of the data export, or the part of the profile."""
    row: int | SkipJsonSchema[None] = None
    """Its row, counted as a spreadsheet does, or its place in the part."""
    reason: str


class ImportedResume(Resume):
    """A resume as it is answered to an import."""

    import_report: list[ImportNote] | SkipJsonSchema[None] = None
    """What did not come along; left out when all of a profile did."""


class StaleVersion(BaseModel):
    """Why a change was refused, and what the resume is now."""

    detail: str
    current: Resume


class Export(BaseModel):
    """Where the PDF is."""

    pdf_url: AnyUrl
    has_watermark: bool


class InternalResume(BaseModel):
    """What other services may know of a resume: that it is there."""

    id: int


_PLAIN = ("full_name", "email", "phone", "address", "website", "linkedin_url", "github_url")
_ENTRY_KEYS = {
    "experiences": (
        "id",
        "company",
        "position",
        "location",
        "start_date",
        "end_date",
        "is_current",
        "description",
        "order",
    ),
    "education": (
        "id",
        "institution",
        "degree",
        "field_of_study",
        "location",
        "start_date",
        "end_date",
        "is_current",
        "grade",
        "description",
        "order",
    ),
    "skills": ("id", "name", "level", "category", "order"),
}


def present_resume(row: Row, now: datetime, public_base_url: str) -> dict[str, Any]:
    """A stored resume as the contract's JSON, at the moment `now`."""
    owner = Owner.of_key(row["owner"])
    paid = entitlement(row["bought"], row["entitled_until"], now)
    return {
        "id": row["id"],
        "session_id": owner.session_id,
        "user": owner.user_id,
        "template": row["template_id"],
        **{name: row[name] for name in _PLAIN},
        "photo": public_base_url + row["photo"] if row["photo"] else None,
        "title": row["title"],
        "summary": row["summary"],
        **present_sections(row),
        "is_paid": paid.is_paid,
        "payment_type": paid.payment_type,
        "can_export_without_watermark": not paid.needs_watermark(row["template_is_premium"]),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "last_accessed": row["last_accessed"],
    }


def present_sections(row: Row) -> dict[str, list[Entry]]:
    """The sections: entries with ids have their keys in the contract's order, the others as they were sent."""
    return {
        section: [{key: entry[key] for key in _ENTRY_KEYS[section]} for entry in row[section]]
        if section in _ENTRY_KEYS
        else row[section]
        for section in SECTIONS
    }


def present_document(row: Row) -> dict[str, Any]:
    """The content of a resume as the renderer takes it."""
    return {
        **{name: row[name] for name in _PLAIN},
        "title": row["title"],
        "summary": row["summary"],
        **present_sections(row),
    }
