"""The JSON between the renderer and the services that ask it for files. Fields that nothing here reads are ignored."""

from datetime import datetime
from typing import Annotated, Any

from cv_common.responses import timestamp
from pydantic import Base64Bytes, BaseModel, Field, StringConstraints

from cv_renderer.domain.jobs import Job
from cv_renderer.domain.labels import Language

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


class SpokenLanguage(BaseModel):
    """A language somebody speaks."""

    language: str
    level: str | None = None


class Certification(BaseModel):
    """A certificate; its date is free text."""

    name: str
    issuer: str | None = None
    date: str | None = None


class Project(BaseModel):
    """Something somebody made."""

    name: str
    description: str | None = None
    url: str | None = None


class CustomSection(BaseModel):
    """A section of somebody's own."""

    title: str
    content: str | None = None


class Document(BaseModel):
    """A CV's content, by the contract's names."""

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
    languages_data: list[SpokenLanguage] = []
    certifications_data: list[Certification] = []
    projects_data: list[Project] = []
    custom_sections: list[CustomSection] = []


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
