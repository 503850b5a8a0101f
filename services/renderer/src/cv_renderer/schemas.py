"""The JSON between the renderer and the services that ask it for files. Fields that nothing here reads are ignored."""

from datetime import datetime
from typing import Annotated, Any, TypeVar

from cv_common.kernel.responses import timestamp
from pydantic import AfterValidator, Base64Bytes, BaseModel, Field, StringConstraints

from cv_renderer.domain.jobs import Job
from cv_renderer.domain.labels import Language
from cv_renderer.domain.prose import visible

_FileName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,140}\.pdf$")]


class _Lasting(BaseModel):
    location: str | None = None
    start_date: str
    end_date: str | None = None
    is_current: bool = False
    description: str | None = None


class Experience(_Lasting):
    """A job."""

    company: str
    position: str


class Education(_Lasting):
    """A course of study."""

    institution: str
    degree: str
    field_of_study: str | None = None
    grade: str | None = None


class Skill(BaseModel):
    """Something somebody is good at."""

    name: str
    level: str | None = None
    category: str | None = None


_Visible = Annotated[str | None, AfterValidator(visible)]


class SpokenLanguage(BaseModel):
    """A language somebody speaks."""

    language: _Visible = None
    level: _Visible = None


class Certification(BaseModel):
    """A certificate; its date is free text."""

    name: _Visible = None
    issuer: _Visible = None
    date: _Visible = None


class Project(BaseModel):
    """Something somebody made; its address is free text."""

    name: _Visible = None
    description: _Visible = None
    url: _Visible = None


class CustomSection(BaseModel):
    """A section of somebody's own."""

    title: _Visible = None
    content: _Visible = None


_Row = TypeVar("_Row", bound=BaseModel)


def _without_blank_rows(rows: list[_Row]) -> list[_Row]:
    return [row for row in rows if any(value is not None for _, value in row)]


_DropBlankRows = AfterValidator(_without_blank_rows)


class Document(BaseModel):
    """A CV's content, by the contract's names. Free lists come without the rows of which nothing would show."""

    full_name: str
    email: str | None = None
    phone: str | None = None
    address: str | None = None
    website: str | None = None
    linkedin_url: str | None = None
    github_url: str | None = None
    title: str | None = None
    summary: str | None = None
    experiences: list[Experience] = []
    education: list[Education] = []
    skills: list[Skill] = []
    languages_data: Annotated[list[SpokenLanguage], _DropBlankRows] = []
    certifications_data: Annotated[list[Certification], _DropBlankRows] = []
    projects_data: Annotated[list[Project], _DropBlankRows] = []
    custom_sections: Annotated[list[CustomSection], _DropBlankRows] = []


class Template(BaseModel):
    """What a template is made of."""

    html: str
    css: str


class VersionedTemplate(Template):
    """A template whose version changes with everything that shows on a page."""

    version: str


class ThumbnailOrder(BaseModel):
    """A picture of the first page of a document is wanted."""

    template: Template
    document: Document
    language: Language

    def job(self) -> Job:
        return Job(self.template.html, self.template.css, self.document.model_dump(), self.language)


class PdfOrder(BaseModel):
    """A PDF of a resume is wanted, to be fetched under `file_name`."""

    resume_id: int = Field(ge=1, lt=2**63)
    file_name: _FileName
    template: VersionedTemplate
    document: Document
    language: Language
    watermark: bool
    photo: Base64Bytes | None = None

    def job(self) -> Job:
        return Job(
            self.template.html,
            self.template.css,
            self.document.model_dump(),
            self.language,
            photo=self.photo,
            watermark=self.watermark,
        )


def present_link(token: str, file_name: str, expires_at: datetime) -> dict[str, Any]:
    """Where a PDF can be fetched, and until when."""
    return {"path": f"/media/resumes/pdfs/{token}/{file_name}", "expires_at": timestamp(expires_at)}
