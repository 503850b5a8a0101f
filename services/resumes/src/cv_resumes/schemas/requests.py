"""The request bodies of resumes. Those of resumes and their entries are made from the declarations in `content`."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from types import GenericAlias, new_class
from typing import Annotated, Any

from cv_common.drf.body import RequestBody, max_items
from cv_common.drf.fields import Boolean, Email, Field, Integer, PrimaryKey, Text, check_text, invalid
from cv_common.drf.forms import UploadedFile
from pydantic import ConfigDict, ValidatorFunctionWrapHandler, WrapValidator, create_model, model_validator
from pydantic import Field as ModelField
from pydantic_core import PydanticCustomError

from cv_resumes.domain.content import (
    CONTENT_FIELDS,
    MAX_ENTRIES,
    MAX_ORDER,
    NUMBERED_SECTIONS,
    UNKNOWN,
    UNKNOWN_DATE,
    Declaration,
    FreeSection,
    NumberedEntry,
    NumberedSection,
    ResumeContent,
    StartDate,
    declarations,
)
from cv_resumes.domain.photos import NOT_A_FILE
from cv_resumes.domain.profile_urls import profile_url
from cv_resumes.domain.resumes import Resume
from cv_resumes.domain.sections import SentEntry


class Upload(Field):
    """A file of a multipart body. A text may be the URL of the current file. The action compares it."""

    takes_files = True

    def parse(self, value: Any) -> UploadedFile | str:
        if isinstance(value, UploadedFile | str):
            return value
        raise invalid(NOT_A_FILE)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "binary"}


class PhotoUrl(Upload):
    """A photo in JSON: null removes it, and its current URL leaves it as it is."""

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "uri"}


@dataclass(frozen=True, slots=True)
class TemplateReference:
    """The id of a template, and the value that was sent for it: `1_0` is 10, but messages repeat `1_0`."""

    id: int
    sent: str


class TemplateKey(PrimaryKey):
    """The primary key of a template."""

    def validate(self, value: Any) -> TemplateReference:
        return TemplateReference(super().validate(value), str(value))


class EntryId(Integer):
    """The id of an entry. A value that cannot be an id is no error: the entry is new."""

    def __init__(self) -> None:
        super().__init__(maximum=2**63 - 1, null=True)

    def validate(self, value: Any) -> Any:
        with suppress(PydanticCustomError):
            return super().validate(value)
        return None

    def schema(self) -> dict[str, Any]:
        return {"type": "integer"}


def check_json(value: Any) -> None:
    """Raise if `value` is not JSON, such as a file, or holds a text or a number that PostgreSQL cannot store."""
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


def _keep_key_order(data: Any, validate: ValidatorFunctionWrapHandler) -> dict[str, Any]:
    """Return the valid entry of a free section, its keys in the order of `data`. Pydantic puts declared keys first."""
    entry = validate(data)
    check_json(entry)
    return {key: entry[key] for key in data}


_SHOWN_CHARACTERS = {"day": 10, "month": 7, "year": 4}
"""The characters of `YYYY-MM-DD` that a precision vouches for."""


def _accept_unknown_start(entry: Any) -> Any:
    """Put `UNKNOWN_DATE` in place of a start date that is absent, null or blank because it is said to be unknown."""
    if not isinstance(entry, dict) or entry.get("start_date_precision") != UNKNOWN or entry.get("start_date"):
        return entry
    return {**entry, "start_date": UNKNOWN_DATE}


def _check_period(entry: RequestBody) -> RequestBody:
    """Raise unless both dates suit their precisions, and the end is not before the start.

    Dates are compared as far as both are known.
    """
    dates: list[str] = []
    characters = 10
    for name in ("start_date", "end_date"):
        date, precision = getattr(entry, name, None), getattr(entry, f"{name}_precision", None)
        if precision == UNKNOWN and date is not None:
            raise invalid("A date that is sent is not unknown.", field=f"{name}_precision")
        if precision not in (None, UNKNOWN) and date is None:
            raise invalid("A precision needs a date.", field=f"{name}_precision")
        if date is not None:
            dates.append(date)
            characters = min(characters, _SHOWN_CHARACTERS[precision] if precision else 10)
    if len(dates) == 2 and dates[1][:characters] < dates[0][:characters]:
        raise invalid("The end date may not be before the start date.", field="end_date")
    return entry


_PERIOD: Any = {
    "accept_unknown_start": model_validator(mode="before")(_accept_unknown_start),
    "check_period": model_validator(mode="after")(_check_period),
}
_section_size = max_items(MAX_ENTRIES, f"A section may have at most {MAX_ENTRIES} entries.")
_ASSIGNED: dict[str, tuple[Any, Any]] = {
    "id": (Annotated[int | None, EntryId()], None),
    "order": (Annotated[int | None, Integer(maximum=MAX_ORDER, null=True)], None),
}
"""What the server assigns to an entry unless the request has it."""


def _numbered_entry(entry: type[Any], *, blank: bool = False) -> Any:
    """Return the model of an entry in a request. `blank`: its required texts may be blank."""
    fields: dict[str, Any] = {field.name: _request_field(field) for field in declarations(entry)} | _ASSIGNED
    if blank:
        fields |= {
            field.name: (Annotated[str, Text(field.rule.max_length, blank=True)], "")
            for field in declarations(entry)
            if isinstance(field.rule, Text) and not field.is_nullable
        }
    name = f"{'Imported' if blank else ''}{entry.__name__}Data"
    validators = _PERIOD if "start_date" in fields else {}
    return create_model(name, __base__=RequestBody, __doc__=entry.__doc__, __validators__=validators, **fields)


def _free_entry(entry: type[Any]) -> Any:
    """Return a subclass of the TypedDict `entry` that takes further keys."""
    namespace = {"__doc__": entry.__doc__, "__pydantic_config__": ConfigDict(extra="allow")}
    data = new_class(f"{entry.__name__}Data", (entry,), {"total": False}, lambda body: body.update(namespace))
    return Annotated[data, WrapValidator(_keep_key_order)]


def _request_field(field: Declaration) -> tuple[Any, Any]:
    """Return the type of a declared field in a request, and its default. `...` makes it required."""
    match field.rule:
        case NumberedSection(request_name):
            entries: Any = GenericAlias(list, (_numbered_entry(field.entry),))
            return Annotated[entries, _section_size, ModelField(alias=request_name)], []
        case FreeSection():
            entries = GenericAlias(list, (_free_entry(field.entry),))
            return Annotated[entries, _section_size], []
        case Boolean():
            return field.annotation, False
        case StartDate():
            return field.annotation, ...
    return field.annotation, None if field.is_nullable else ...


class ResumeRequest(RequestBody):
    """Base of the requests that write a resume. `ResumeBody` adds the fields of `ResumeContent`."""

    template: Annotated[TemplateReference, TemplateKey()]
    photo: Annotated[UploadedFile | str | None, PhotoUrl(null=True)] = None

    @property
    def removes_photo(self) -> bool:
        """Whether the request has null for the photo."""
        return self.photo is None and "photo" in self.model_fields_set

    def sent_entries(self) -> dict[str, list[SentEntry]]:
        """Return the numbered sections that were sent, by name."""
        sent = self.model_fields_set & NUMBERED_SECTIONS.keys()
        return self.model_dump(include=sent) if sent else {}

    def content(self, sections: Mapping[str, list[NumberedEntry]], photo: str | None) -> ResumeContent:
        """Return the content of a new resume: these sections and photo, and defaults for what was not sent."""
        fields: dict[str, Any] = {**self.model_dump(exclude=_NOT_CONTENT | sections.keys()), **sections}
        return ResumeContent(**fields, photo=photo)

    def apply_to(
        self, resume: Resume, sections: Mapping[str, list[NumberedEntry]], now: datetime, revision: int
    ) -> Resume:
        """Return a new version of `resume`, with these sections and the other content that was sent but the photo."""
        sent = self.model_fields_set - _NOT_CONTENT - sections.keys()
        fields: dict[str, Any] = {**self.model_dump(include=sent), **sections}
        return replace(resume, **fields, updated_at=now, last_accessed=now, revision=revision)


_NOT_CONTENT = set(ResumeRequest.model_fields)
_content_fields: dict[str, Any] = {
    field.name: _request_field(field) for field in CONTENT_FIELDS if field.name != "photo"
}
_PHOTO_DOC = "JPEG, PNG, WEBP or AVIF of at most 5 MB, 25 megapixels and 65,500 pixels a side"

ResumeBody = create_model("ResumeBody", __base__=ResumeRequest, __doc__="The fields of a resume.", **_content_fields)
ResumeForm = create_model(
    "ResumeForm",
    __base__=ResumeBody,
    __doc__=f"The fields of a resume as a form, which can upload the photo: {_PHOTO_DOC}.",
    photo=(Annotated[UploadedFile | str | None, Upload(null=True)], None),
)
_imported_fields: dict[str, Any] = {
    name: (Annotated[GenericAlias(list, (_numbered_entry(section.entry, blank=True),)), ModelField(alias=alias)], [])
    for name, section in NUMBERED_SECTIONS.items()
    if isinstance(section.rule, NumberedSection)
    for alias in [section.rule.request_name]
} | {"email": (Annotated[str, Email(254, blank=True)], ...)}
ImportedResumeBody = create_model(
    "ImportedResumeBody",
    __base__=ResumeBody,
    __doc__="The fields of a resume made by an import. The source may lack an e-mail address, and texts of entries.",
    **_imported_fields,
)


class ProfileUrl(Text):
    """The URL of a LinkedIn profile as people paste it, with or without a scheme. Only its slug is used."""

    def parse(self, value: Any) -> str:
        super().parse(value)
        url = profile_url(str(value))
        if url is None:
            raise invalid("Invalid LinkedIn URL format.")
        return url

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "examples": ["https://www.linkedin.com/in/johndoe", "linkedin.com/in/johndoe/en"]}


class UrlImportBody(RequestBody):
    """An import of a LinkedIn profile by its URL."""

    linkedin_url: Annotated[str, ProfileUrl(2000)]


class FileImportBody(RequestBody):
    """An import of a member's LinkedIn data export (ZIP). The profile's URL is optional."""

    file: Annotated[UploadedFile | str, Upload()]
    linkedin_url: Annotated[str | None, ProfileUrl(2000, null=True, blank=False)] = None


class ImportForm(RequestBody):
    """An import as a form: of a file, the member's LinkedIn data export (ZIP), or of a profile by its URL."""

    file: Annotated[UploadedFile | str | None, Upload()] = None
    linkedin_url: Annotated[str | None, ProfileUrl(2000, null=True, blank=False)] = None


class ExportBody(RequestBody):
    """An export takes no options."""
