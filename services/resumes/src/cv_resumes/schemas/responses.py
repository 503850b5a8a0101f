"""The responses of resumes, and the document for the renderer. All follow the declarations in `content`."""

from collections.abc import Iterable
from datetime import date, datetime
from operator import attrgetter
from types import GenericAlias
from typing import Any

from cv_common.drf.fields import Date
from pydantic import AnyUrl, BaseModel, ConfigDict, create_model
from pydantic.json_schema import SkipJsonSchema

from cv_resumes.domain.content import (
    CONTENT_FIELDS,
    FREE_SECTIONS,
    NUMBERED_SECTIONS,
    Declaration,
    FreeSection,
    NumberedSection,
    declarations,
)
from cv_resumes.domain.drafts import TITLES, Note
from cv_resumes.domain.entitlement import ResumePaymentType
from cv_resumes.domain.resumes import Resume, photo_url


def _response_type(field: Declaration) -> Any:
    match field.rule:
        case NumberedSection():
            return GenericAlias(list, (_entry_model(field.entry, _response_fields(declarations(field.entry))),))
        case FreeSection():
            fields = {each.name: (_response_type(each), None) for each in declarations(field.entry)}
            return GenericAlias(list, (_entry_model(field.entry, fields, ConfigDict(extra="allow")),))
        case Date():
            return date | None if field.is_nullable else date
    return AnyUrl | None if field.name == "photo" else field.type


def _entry_model(entry: type, fields: dict[str, Any], config: ConfigDict | None = None) -> type[BaseModel]:
    return create_model(entry.__name__, __config__=config, __doc__=entry.__doc__, **fields)


def _response_fields(fields: Iterable[Declaration]) -> dict[str, Any]:
    """Return the type of each field in a response, and its default. `...` makes it required."""
    return {field.name: (_response_type(field), None if field.is_extension else ...) for field in fields}


class _ResumeHead(BaseModel):
    id: int
    session_id: str | None
    user: int | None
    template: int


class _ResumeState(BaseModel):
    is_paid: bool
    payment_type: ResumePaymentType
    can_export_without_watermark: bool
    created_at: datetime
    updated_at: datetime
    last_accessed: datetime


class ImportNote(BaseModel):
    """Something in the source that the resume does not have."""

    file: str
    """The file of the data export, or the part of the profile."""
    row: int | SkipJsonSchema[None] = None
    """The row as a spreadsheet counts, or the position in the part."""
    reason: str


class _ImportReport(BaseModel):
    import_report: list[ImportNote] | SkipJsonSchema[None] = None


_ResumeContent = create_model("_ResumeContent", **_response_fields(CONTENT_FIELDS))

# Pydantic puts the fields of the last base first. This is the order of `serialize_resume`.
ResumeResponse = create_model("Resume", __base__=(_ResumeState, _ResumeContent, _ResumeHead), __doc__="A resume.")
ImportedResume = create_model(
    "ImportedResume",
    __base__=(_ImportReport, ResumeResponse),
    __doc__="An imported resume. `import_report` is absent if the resume has the whole profile.",
)
StaleVersion = create_model(
    "StaleVersion",
    __doc__="The edit was made to an older version. `current` is the resume as it is now.",
    detail=(str, ...),
    current=(ResumeResponse, ...),
)


class Export(BaseModel):
    """The URL of a PDF."""

    pdf_url: AnyUrl
    has_watermark: bool


def _extensions(fields: Iterable[Declaration]) -> tuple[str, ...]:
    return tuple(field.name for field in fields if field.is_extension)


_FIELD_NAMES = tuple(field.name for field in CONTENT_FIELDS)
_read_fields = attrgetter(*_FIELD_NAMES)
_EXTENSIONS = _extensions(CONTENT_FIELDS)
_ENTRY_KEYS = {
    name: tuple(field.name for field in declarations(section.entry)) for name, section in NUMBERED_SECTIONS.items()
}
_ENTRY_EXTENSIONS = {
    name: extensions
    for name, section in NUMBERED_SECTIONS.items()
    if (extensions := _extensions(declarations(section.entry)))
}
_PRINTED_KEYS = {
    name: tuple(field.name for field in declarations(section.entry) if field.rule is not None)
    for name, section in NUMBERED_SECTIONS.items()
}
"""The keys of each section's entries without `id` and `order`, which the server assigns and no rule validates."""


def serialize_resume(
    resume: Resume, now: datetime, public_base_url: str, import_report: list[Note] | None = None
) -> dict[str, object]:
    """Serialize a resume, with what is paid at `now`. An `import_report` of None is left out."""
    owner, paid = resume.owner, resume.entitlement(now)
    body = {
        "id": resume.id,
        "session_id": owner.session_id,
        "user": owner.user_id,
        "template": resume.template_id,
        **_serialize_content(resume),
        "photo": photo_url(resume, public_base_url),
        "is_paid": paid.is_paid,
        "payment_type": paid.payment_type,
        "can_export_without_watermark": not paid.needs_watermark(resume.template_is_premium),
        "created_at": resume.created_at,
        "updated_at": resume.updated_at,
        "last_accessed": resume.last_accessed,
    }
    return body if import_report is None else body | {"import_report": import_report}


def serialize_stale_version(current: Resume, now: datetime, public_base_url: str) -> dict[str, object]:
    """Return the body of a 412."""
    return {
        "detail": "This CV has changed since the version you are working on.",
        "current": serialize_resume(current, now, public_base_url),
    }


def serialize_document(resume: Resume) -> dict[str, object]:
    """Return the content of a resume that templates may print: no ids. The photo's bytes are sent beside it."""
    document = {name: value for name, value in _content_of(resume).items() if name != "photo"}
    for section, keys in _PRINTED_KEYS.items():
        document[section] = [{key: entry[key] for key in keys if key in entry} for entry in document[section]]
    for section in FREE_SECTIONS:
        document[section] = [{key: _as_text(value) for key, value in entry.items()} for entry in document[section]]
    for entry in document["custom_sections"]:
        if entry.get("title") in TITLES.get(entry.get("kind"), {}).values():
            del entry["title"]  # the renderer has its own, in the language of the CV
    return document


def _as_text(value: object) -> str | None:
    """Return a value of a free entry as templates print it: numbers and lists as text, and no other JSON."""
    match value:
        case str():
            return value
        case bool():
            return None
        case int() | float():
            return str(value)
        case list():
            return ", ".join(filter(None, map(_as_text, value)))
        case _:
            return None


def _content_of(resume: Resume) -> dict[str, Any]:
    return dict(zip(_FIELD_NAMES, _read_fields(resume), strict=True))


def _serialize_content(resume: Resume) -> dict[str, object]:
    """Return the content in the order of its declarations, without empty extensions.

    JSONB does not keep the order of an entry's keys.
    """
    content = _content_of(resume)
    for section, keys in _ENTRY_KEYS.items():
        content[section] = [dict(zip(keys, map(entry.get, keys), strict=True)) for entry in content[section]]
    for section, extensions in _ENTRY_EXTENSIONS.items():
        for entry in content[section]:
            _omit_empty(entry, extensions)
    _omit_empty(content, _EXTENSIONS)
    return content


def _omit_empty(values: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if not values[name]:
            del values[name]
