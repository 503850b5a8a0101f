"""The JSON of the contract for resumes: what comes in, what goes out."""

import math
from datetime import datetime
from typing import Annotated, Any, Self

from cv_common.body import RequestBody, limited_list
from cv_common.db import Row
from cv_common.fields import Boolean, Choice, Date, Email, Field, Integer, PrimaryKey, Text, Url, check_text, invalid
from cv_common.forms import UploadedFile
from pydantic import BaseModel, ConfigDict, model_validator

from cv_resumes.domain.entitlement import PaymentType, entitlement
from cv_resumes.domain.owners import Owner
from cv_resumes.domain.photos import NOT_A_FILE
from cv_resumes.domain.profile_urls import profile_url
from cv_resumes.domain.sections import MAX_ENTRIES, SECTIONS, Entry


class Upload(Field):
    """A file of a multipart body. A text may be the address of the file that is there already; the action decides."""

    def parse(self, value: Any) -> UploadedFile | str:
        if isinstance(value, UploadedFile | str):
            return value
        raise invalid(NOT_A_FILE)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "binary"}


_Required200 = Annotated[str, Text(200)]
_Optional200 = Annotated[str | None, Text(200, null=True)]
_Long = Annotated[str | None, Text(10_000, null=True)]
_Url = Annotated[str | None, Url(200, null=True)]
_Section = limited_list(MAX_ENTRIES, f"A section may have at most {MAX_ENTRIES} entries.")
_OptionalDate = Annotated[str | None, Date(null=True)]


class EntryId(Field):
    """The id of an entry sent back. What cannot be an id is no error: the entry is new."""

    def parse(self, value: Any) -> int | None:
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def schema(self) -> dict[str, Any]:
        return {"type": "integer"}


class _Entry(RequestBody):
    id: Annotated[int | None, EntryId(null=True)] = None


class _Period(_Entry):
    """What lasts from one date to another."""

    start_date: Annotated[str, Date()]
    end_date: _OptionalDate = None
    is_current: Annotated[bool, Boolean()] = False

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end_date is not None and self.end_date < self.start_date:
            raise invalid("The end date may not be before the start date.", field="end_date")
        return self


class Experience(_Period):
    """A job."""

    company: _Required200
    position: _Required200
    location: _Optional200 = None
    description: _Long = None
    order: Annotated[int | None, Integer(null=True)] = None


class Education(_Period):
    """A course of study."""

    institution: _Required200
    degree: _Required200
    field_of_study: _Optional200 = None
    location: _Optional200 = None
    grade: Annotated[str | None, Text(100, null=True)] = None
    description: _Long = None
    order: Annotated[int | None, Integer(null=True)] = None


class Skill(_Entry):
    """Something one can do, and how well."""

    name: Annotated[str, Text(100)]
    level: Annotated[str | None, Choice("beginner", "intermediate", "advanced", "expert", null=True)] = None
    category: Annotated[str | None, Text(100, null=True)] = None
    order: Annotated[int | None, Integer(null=True)] = None


class _FreeEntry(RequestBody):
    """An entry whose further keys are kept as they were sent."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _further_keys_are_keepable(self) -> Self:
        check_json(self.model_extra)
        return self


class Language(_FreeEntry):
    """A language and how well it is spoken."""

    language: Annotated[str, Text(100)]
    level: Annotated[str | None, Text(100, null=True)] = None


class Certification(_FreeEntry):
    """A certificate."""

    name: _Required200
    issuer: _Optional200 = None
    date: _OptionalDate = None


class Project(_FreeEntry):
    """A project."""

    name: _Required200
    description: _Long = None
    url: _Url = None


class CustomSection(_FreeEntry):
    """A section under a title of one's own."""

    title: _Required200
    content: _Long = None


def check_json(value: Any) -> None:
    """Raise when a text or a number anywhere in `value` cannot be kept by the database."""
    match value:
        case float() if not math.isfinite(value):
            raise invalid("Value must be valid JSON.")
        case str():
            check_text(value)
        case dict():
            for key, item in value.items():
                check_text(key)
                check_json(item)
        case list():
            for item in value:
                check_json(item)


class ResumeBody(RequestBody):
    """What a resume is written with."""

    template: Annotated[int, PrimaryKey()]
    full_name: _Required200
    email: Annotated[str, Email(254)]
    phone: Annotated[str | None, Text(30, null=True)] = None
    address: Annotated[str | None, Text(300, null=True)] = None
    website: _Url = None
    linkedin_url: _Url = None
    github_url: _Url = None
    photo: Annotated[Any, Upload(null=True)] = None
    title: _Optional200 = None
    summary: _Long = None
    experience_data: Annotated[list[Experience], _Section] = []
    education_data: Annotated[list[Education], _Section] = []
    skills_data: Annotated[list[Skill], _Section] = []
    languages_data: Annotated[list[Language], _Section] = []
    certifications_data: Annotated[list[Certification], _Section] = []
    projects_data: Annotated[list[Project], _Section] = []
    custom_sections: Annotated[list[CustomSection], _Section] = []


class ImportedResumeBody(ResumeBody):
    """What a resume is written with when it comes from elsewhere: nobody is there to be asked for what is missing."""

    full_name: Annotated[str, Text(200, blank=True)]
    email: Annotated[str, Email(254, blank=True)]


class ProfileUrl(Text):
    """The address of a LinkedIn profile, of which only the slug is believed."""

    def parse(self, value: Any) -> str:
        super().parse(value)
        found = profile_url(str(value))
        if found is None:
            raise invalid("Invalid LinkedIn URL format.")
        return found

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "format": "uri", "examples": ["https://www.linkedin.com/in/johndoe"]}


class UrlImportBody(RequestBody):
    """An import of a LinkedIn profile by its address."""

    linkedin_url: Annotated[str, ProfileUrl(2000)]


class FileImportBody(RequestBody):
    """An import of a member's LinkedIn data export, a ZIP file; the profile's address may come along."""

    file: Annotated[Any, Upload()]
    linkedin_url: Annotated[str | None, ProfileUrl(2000, null=True, blank=False)] = None


_SECTION_OF = {"experience_data": "experiences", "education_data": "education", "skills_data": "skills"}
"""The names of sections in a request that are others in an answer."""


def columns_sent(body: ResumeBody) -> dict[str, Any]:
    """What a request carried, under the names of an answer and as plain JSON; template and photo apart."""
    plain = body.model_dump(include=body.model_fields_set - {"template", "photo"})
    return {_SECTION_OF.get(name, name): value for name, value in plain.items()}


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
    photo: str | None
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
    row: int | None = None
    """Its row, counted as a spreadsheet does, or its place in the part."""
    reason: str


class ImportedResume(Resume):
    """A resume as it is answered to an import."""

    import_report: list[ImportNote] | None = None
    """What did not come along; left out when all of a profile did."""


class ExportBody(RequestBody):
    """An export asks for nothing."""


class Export(BaseModel):
    """Where the PDF is."""

    pdf_url: str
    has_watermark: bool


class InternalResume(BaseModel):
    """What other services may know of a resume: that it is there."""

    id: int


class ClaimBody(RequestBody):
    """The account that an anonymous session's resumes go to."""

    user_id: Annotated[int, PrimaryKey()]


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
    """The sections, their entries' keys in the contract's order (the database keeps no order of keys)."""
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
