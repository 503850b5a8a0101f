"""The JSON between the renderer and the services that ask it for files. Unknown fields of requests are ignored."""

from typing import Annotated

from cv_common.kernel.serialization import timestamp
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from cv_renderer.domain.documents import clean_document
from cv_renderer.domain.jobs import Job
from cv_renderer.domain.pdfs import PdfLink

LanguageTag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
"""A BCP 47 language tag."""
_FileName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,140}\.pdf$")]


class DocumentBody(BaseModel):
    """The content of a CV: any JSON object with a name, which becomes the title and the author of the PDF.

    The service `resumes` declares the fields and their limits, and templates read them. None is repeated here.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    full_name: str


class TemplateBody(BaseModel):
    """The sources of a template."""

    html: str
    css: str


class VersionedTemplateBody(TemplateBody):
    """A template with a version, which changes with everything that shows on a page."""

    version: str


class ThumbnailRequest(BaseModel):
    """A request for an image of the first page of a document."""

    template: TemplateBody
    document: DocumentBody
    language: LanguageTag

    def job(self) -> Job:
        document = clean_document(self.document.model_dump())
        return Job(self.template.html, self.template.css, document, self.language)


class PdfRequest(BaseModel):
    """A request for a PDF of a resume, to be fetched under `file_name`."""

    resume_id: int = Field(ge=1, lt=2**63)
    file_name: _FileName
    template: VersionedTemplateBody
    document: DocumentBody
    language: LanguageTag
    watermark: bool
    photo: Base64Bytes | None = None

    def job(self) -> Job:
        document = clean_document(self.document.model_dump())
        return Job(self.template.html, self.template.css, document, self.language, self.photo, self.watermark)


def serialize_link(link: PdfLink) -> dict[str, str]:
    """Return the path of a PDF and the time at which it expires."""
    path = f"/media/resumes/pdfs/{link.token}/{link.file_name}"
    return {"path": path, "expires_at": timestamp(link.expires_at)}
