"""The JSON of the contract for resumes, as it comes in."""

import math
from contextlib import suppress
from typing import Annotated, Any, Self

from cv_common.drf.body import RequestBody, max_items
from cv_common.drf.fields import (
    Boolean,
    Choice,
    Date,
    Email,
    Field,
    Integer,
    PrimaryKey,
    Text,
    Url,
    check_text,
    invalid,
)
from cv_common.drf.forms import UploadedFile
from cv_common.kernel.identity import MAX_ID
from pydantic import ConfigDict, ValidatorFunctionWrapHandler, WrapValidator, model_validator, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from cv_resumes.domain.photos import NOT_A_FILE
from cv_resumes.domain.profile_urls import profile_url
from cv_resumes.domain.sections import MAX_ENTRIES


class Upload(Field):
    """A file of a multipart body. A text may be the address of the file that is there already; the action decides."""

    takes_files = True

    def parse(self, value: Any) -> UploadedFile | str:
        if isinstance(value, UploadedFile | str):
            return value
        raise invalid(NOT_A_FILE)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "binary"}


class PhotoAddress(Upload):
    """What of a photo can be said without a file: null removes it, its own address leaves it as it is."""

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "uri"}


_Required200 = Annotated[str, Text(200)]
_Optional200 = Annotated[str | None, Text(200, null=True)]
_Long = Annotated[str | None, Text(10_000, null=True)]
_Url = Annotated[str | None, Url(200, null=True)]
_Section = max_items(MAX_ENTRIES, f"A section may have at most {MAX_ENTRIES} entries.")
_OptionalDate = Annotated[str | None, Date(null=True)]


class EntryId(Integer):
    """The id of an entry sent back. What cannot be an id is no error: the entry is new."""

    def __init__(self) -> None:
        super().__init__(maximum=2**63 - 1, null=True)

    def validate(self, value: Any) -> Any:
        with suppress(PydanticCustomError):
            return super().validate(value)
        return None

    def schema(self) -> dict[str, Any]:
        return {"type": "integer"}


class _Entry(RequestBody):
    id: Annotated[int | None, EntryId()] = None


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


class ExperienceData(_Period):
    """A job."""

    company: _Required200
    position: _Required200
    location: _Optional200 = None
    description: _Long = None
    order: Annotated[int | None, Integer(null=True)] = None


class EducationData(_Period):
    """A course of study."""

    institution: _Required200
    degree: _Required200
    field_of_study: _Optional200 = None
    location: _Optional200 = None
    grade: Annotated[str | None, Text(100, null=True)] = None
    description: _Long = None
    order: Annotated[int | None, Integer(null=True)] = None


class SkillData(_Entry):
    """Something one can do, and how well."""

    name: Annotated[str, Text(100)]
    level: Annotated[str | None, Choice("beginner", "intermediate", "advanced", "expert", null=True)] = None
    category: Annotated[str | None, Text(100, null=True)] = None
    order: Annotated[int | None, Integer(null=True)] = None


class FreeText(Text):
    """A text or null in an entry of a free list, stored as it was typed: in NFC, but not trimmed."""

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length, null=True, trim=False)


_any_keys = with_config(ConfigDict(extra="allow"))


@_any_keys
class LanguageData(TypedDict, total=False):
    """A language and how well it is spoken."""

    language: Annotated[str | None, FreeText(100)]
    level: Annotated[str | None, FreeText(100)]


@_any_keys
class CertificationData(TypedDict, total=False):
    """A certificate; its date is a text as it was typed."""

    name: Annotated[str | None, FreeText(200)]
    issuer: Annotated[str | None, FreeText(200)]
    date: Annotated[str | None, FreeText(50)]


@_any_keys
class ProjectData(TypedDict, total=False):
    """A project; its address is a text as it was typed."""

    name: Annotated[str | None, FreeText(200)]
    description: Annotated[str | None, FreeText(10_000)]
    url: Annotated[str | None, FreeText(500)]


@_any_keys
class CustomSectionData(TypedDict, total=False):
    """A section under a title of one's own."""

    title: Annotated[str | None, FreeText(200)]
    content: Annotated[str | None, FreeText(10_000)]


def _in_sent_order(data: Any, validate: ValidatorFunctionWrapHandler) -> dict[str, Any]:
    """The valid entry of a free list with its keys in the order of `data`; pydantic puts documented keys first."""
    entry = validate(data)
    check_json(entry)
    return {key: entry[key] for key in data}


_AsSent = WrapValidator(_in_sent_order)


def check_json(value: Any) -> None:
    """Raise when `value` is no JSON, such as a file, or holds a text or a number that the database cannot keep."""
    match value:
        case float() if math.isfinite(value):
            pass
        case None | bool() | int():
            pass
        case str():
            check_text(value)
        case dict():
            for key, item in value.items():
                check_text(key)
                check_json(item)
        case list():
            for item in value:
                check_json(item)
        case _:
            raise invalid("Value must be valid JSON.")


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
    photo: Annotated[Any, PhotoAddress(null=True)] = None
    title: _Optional200 = None
    summary: _Long = None
    experience_data: Annotated[list[ExperienceData], _Section] = []
    education_data: Annotated[list[EducationData], _Section] = []
    skills_data: Annotated[list[SkillData], _Section] = []
    languages_data: Annotated[list[Annotated[LanguageData, _AsSent]], _Section] = []
    certifications_data: Annotated[list[Annotated[CertificationData, _AsSent]], _Section] = []
    projects_data: Annotated[list[Annotated[ProjectData, _AsSent]], _Section] = []
    custom_sections: Annotated[list[Annotated[CustomSectionData, _AsSent]], _Section] = []


class ResumeForm(ResumeBody):
    """The same as a form, which can bring the photo: JPEG, PNG, WEBP or AVIF, 5 MB, 25 megapixels, 65,500 a side."""

    photo: Annotated[Any, Upload(null=True)] = None


class ImportedResumeBody(ResumeBody):
    """What a resume is written with when it comes from elsewhere: nobody is there to be asked for an address."""

    email: Annotated[str, Email(254, blank=True)]


class ProfileUrl(Text):
    """The address of a LinkedIn profile as people paste it, with or without a scheme; only its slug is used."""

    def parse(self, value: Any) -> str:
        super().parse(value)
        found = profile_url(str(value))
        if found is None:
            raise invalid("Invalid LinkedIn URL format.")
        return found

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "examples": ["https://www.linkedin.com/in/johndoe", "linkedin.com/in/johndoe/en"]}


class UrlImportBody(RequestBody):
    """An import of a LinkedIn profile by its address."""

    linkedin_url: Annotated[str, ProfileUrl(2000)]


class FileImportBody(RequestBody):
    """An import of a member's LinkedIn data export, a ZIP file; the profile's address may come along."""

    file: Annotated[Any, Upload()]
    linkedin_url: Annotated[str | None, ProfileUrl(2000, null=True, blank=False)] = None


class ImportForm(RequestBody):
    """An import as a form: of a file, the member's LinkedIn data export (ZIP), or of a profile by its address."""

    file: Annotated[Any, Upload()] = None
    linkedin_url: Annotated[str | None, ProfileUrl(2000, null=True, blank=False)] = None


_SECTION_OF = {"experience_data": "experiences", "education_data": "education", "skills_data": "skills"}
"""The names of sections in a request that are others in an answer."""


def columns_sent(body: ResumeBody) -> dict[str, Any]:
    """What a request carried, under the names of an answer and as plain JSON; template and photo apart."""
    plain = body.model_dump(include=body.model_fields_set - {"template", "photo"})
    return {_SECTION_OF.get(name, name): value for name, value in plain.items()}


class ExportBody(RequestBody):
    """An export asks for nothing."""


class ClaimBody(RequestBody):
    """The account that an anonymous session's resumes go to."""

    user_id: Annotated[int, Integer(maximum=MAX_ID)]


class MergeBody(RequestBody):
    """The session that another anonymous session's resumes go to."""

    into_session_id: Annotated[str, Text(64)]
