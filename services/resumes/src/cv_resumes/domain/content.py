"""The content of a CV. Each field is declared here, and only here.

Request and response models, table columns, the size limit and the document for the renderer are made from these
declarations. docs/howto.md shows how to add a field.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_type_hints

from cv_common.drf.fields import Boolean, Choice, Date, Email, Field, FormText, Text, Url, invalid
from typing_extensions import TypeAliasType, TypedDict

from cv_resumes.domain.language_tags import language_tag

MAX_ENTRIES = 200
"""The most entries of a section."""
MAX_CONTENT_BYTES = 256 * 1024
"""The most bytes of the sections and the long texts, as JSON."""
MAX_ORDER = 2_147_483_647
"""The highest `order` that a request may send. Stored entries never exceed it, so that they can be sent back."""
MAX_SHORT, MAX_LINE, MAX_LONG = 100, 200, 10_000
"""The most characters of a level, of a name or title, of a description."""
MAX_TAG = 35
"""The most characters of a language tag."""

SkillLevel = TypeAliasType("SkillLevel", Literal["beginner", "intermediate", "advanced", "expert"])
SKILL_LEVELS: tuple[str, ...] = get_args(SkillLevel.__value__)


DatePrecision = TypeAliasType("DatePrecision", Literal["day", "month", "year", "unknown"])
DATE_PRECISIONS: tuple[str, ...] = get_args(DatePrecision.__value__)
DEFAULT_PRECISION, UNKNOWN = "month", "unknown"


EXTENSION = object()
"""Marks a field that the API document does not have. It is optional, and responses omit it while it is empty."""


class FreeText(Text):
    """A text or null in an entry of a free section. It is stored as it was typed: in NFC, but not trimmed."""

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length, null=True, trim=False)


class Precision(Choice):
    """How much of a date is known. The default, which every date without a precision has, is stored as null."""

    def __init__(self) -> None:
        super().__init__(*DATE_PRECISIONS, null=True)

    def validate(self, value: Any) -> str | None:
        precision: str | None = super().validate(value)
        return None if precision == DEFAULT_PRECISION else precision


class StartDate(Date):
    """A required date. Its precision may say that it is unknown, and then it is null."""

    def validate(self, value: Any) -> str | None:
        date: str | None = None if value is UNKNOWN_DATE else super().validate(value)
        return date

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "type": ["string", "null"]}


class LanguageTag(Text):
    """A BCP 47 tag of a language, with a script or a region or both, in its usual case."""

    def __init__(self) -> None:
        super().__init__(MAX_TAG, null=True)

    def validate(self, value: Any) -> str | None:
        text: str | None = super().validate(value)
        if not text:
            return None
        tag = language_tag(text)
        if tag is None:
            raise invalid('Enter a valid language tag, such as "fr" or "pt-BR".')
        return tag

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "examples": ["fr", "pt-BR", "zh-Hant"]}


class PhotoFocus(TypedDict):
    """The point of a photo that stays visible when it is cropped, in percent from the left and from the top."""

    x: int
    y: int


class Focus(Field):
    """A `PhotoFocus` or null. A form sends it as JSON text."""

    def __init__(self) -> None:
        super().__init__(null=True)

    def parse(self, value: Any) -> PhotoFocus:
        if isinstance(value, FormText):
            with suppress(ValueError):
                value = json.loads(value)
        match value:
            case {"x": x, "y": y} if all(type(percent) is int and 0 <= percent <= 100 for percent in (x, y)):
                return {"x": x, "y": y}
        raise invalid("Expected the percentages x and y, integers from 0 to 100.")

    def schema(self) -> dict[str, Any]:
        percent = {"type": "integer", "minimum": 0, "maximum": 100}
        return {"type": "object", "properties": {"x": percent, "y": percent}, "required": ["x", "y"]}


UNKNOWN_DATE = object()
"""Stands for a date whose precision says that it is unknown."""

Short = Annotated[str, Text(MAX_SHORT)]
Line = Annotated[str, Text(MAX_LINE)]
OptionalShort = Annotated[str | None, Text(MAX_SHORT, null=True)]
OptionalLine = Annotated[str | None, Text(MAX_LINE, null=True)]
OptionalLong = Annotated[str | None, Text(MAX_LONG, null=True)]
OptionalLink = Annotated[str | None, Url(MAX_LINE, null=True)]
Start = Annotated[str | None, StartDate()]
OptionalDay = Annotated[str | None, Date(null=True)]
KnownPrecision = Annotated[DatePrecision | None, Precision(), EXTENSION]
Flag = Annotated[bool, Boolean()]
FreeShort = Annotated[str | None, FreeText(MAX_SHORT)]
FreeLine = Annotated[str | None, FreeText(MAX_LINE)]
FreeLong = Annotated[str | None, FreeText(MAX_LONG)]


class NumberedEntry(TypedDict):
    """What the server assigns to each entry of a numbered section."""

    id: int
    order: int


class Experience(TypedDict):
    """A job."""

    id: int
    company: Line
    position: Line
    location: OptionalLine
    start_date: Start
    start_date_precision: KnownPrecision
    end_date: OptionalDay
    end_date_precision: KnownPrecision
    is_current: Flag
    description: OptionalLong
    order: int


class Education(TypedDict):
    """A course of study."""

    id: int
    institution: Line
    degree: Line
    field_of_study: OptionalLine
    location: OptionalLine
    start_date: Start
    start_date_precision: KnownPrecision
    end_date: OptionalDay
    end_date_precision: KnownPrecision
    is_current: Flag
    grade: OptionalShort
    description: OptionalLong
    order: int


class Skill(TypedDict):
    """A skill and its level."""

    id: int
    name: Short
    level: Annotated[SkillLevel | None, Choice(*SKILL_LEVELS, null=True)]
    category: OptionalShort
    order: int


class Language(TypedDict, total=False):
    """A language and how well it is spoken."""

    language: FreeShort
    level: FreeShort


class Certification(TypedDict, total=False):
    """A certificate. Its date is free text."""

    name: FreeLine
    issuer: FreeLine
    date: Annotated[str | None, FreeText(50)]


class Project(TypedDict, total=False):
    """A project. Its URL is free text."""

    name: FreeLine
    description: FreeLong
    url: Annotated[str | None, FreeText(500)]


class CustomSection(TypedDict, total=False):
    """A section with a title of the user's choice."""

    title: FreeLine
    content: FreeLong


@dataclass(frozen=True, slots=True)
class NumberedSection:
    """A section of entries with ids. Requests call the section `request_name`."""

    request_name: str


class FreeSection:
    """A section whose entries may have further keys. They are stored and answered as they were sent, in key order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeContent:
    """What the user writes, in the order of the response.

    `photo` is the path of the photo's file. Requests upload the file, and responses have its URL.
    """

    full_name: Line
    email: Annotated[str, Email(254)]
    phone: Annotated[str | None, Text(30, null=True)]
    address: Annotated[str | None, Text(300, null=True)]
    website: OptionalLink
    linkedin_url: OptionalLink
    github_url: OptionalLink
    photo: OptionalLine
    title: OptionalLine
    summary: OptionalLong
    experiences: Annotated[list[Experience], NumberedSection("experience_data")]
    education: Annotated[list[Education], NumberedSection("education_data")]
    skills: Annotated[list[Skill], NumberedSection("skills_data")]
    languages_data: Annotated[list[Language], FreeSection()]
    certifications_data: Annotated[list[Certification], FreeSection()]
    projects_data: Annotated[list[Project], FreeSection()]
    custom_sections: Annotated[list[CustomSection], FreeSection()]
    language: Annotated[str | None, LanguageTag(), EXTENSION]
    photo_focus: Annotated[PhotoFocus | None, Focus(), EXTENSION]


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declared field: its name, its type without and with its metadata, and its rule, if it has one."""

    name: str
    type: Any
    annotation: Any
    rule: object
    is_extension: bool

    @property
    def is_nullable(self) -> bool:
        return type(None) in get_args(self.type)

    @property
    def entry(self) -> Any:
        """The class of a section's entries."""
        return get_args(self.type)[0]


def declarations(declared: type[Any]) -> Iterator[Declaration]:
    """Yield the fields that a class of this module declares, in order."""
    types = get_type_hints(declared)
    for name, annotation in get_type_hints(declared, include_extras=True).items():
        metadata = getattr(annotation, "__metadata__", ())
        yield Declaration(name, types[name], annotation, next(iter(metadata), None), EXTENSION in metadata)


CONTENT_FIELDS = tuple(declarations(ResumeContent))
NUMBERED_SECTIONS = {field.name: field for field in CONTENT_FIELDS if isinstance(field.rule, NumberedSection)}
FREE_SECTIONS = {field.name: field for field in CONTENT_FIELDS if isinstance(field.rule, FreeSection)}
JSON_OBJECTS = tuple(field.name for field in CONTENT_FIELDS if isinstance(field.rule, Focus))
SECTIONS = (*NUMBERED_SECTIONS, *FREE_SECTIONS)
LONG_TEXTS = tuple(
    field.name for field in CONTENT_FIELDS if isinstance(field.rule, Text) and field.rule.max_length > 1000
)


def numbered_sections(content: ResumeContent) -> dict[str, list[NumberedEntry]]:
    """Return the numbered sections by name."""
    return {name: getattr(content, name) for name in NUMBERED_SECTIONS}
