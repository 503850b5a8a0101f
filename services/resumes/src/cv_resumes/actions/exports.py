"""Export resumes as PDFs."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from cv_common.kernel.errors import or_404
from cv_common.kernel.identity import Caller

from cv_resumes.actions.context import Context, owner_or_404
from cv_resumes.actions.photos import read_photo
from cv_resumes.domain.languages import resume_language
from cv_resumes.domain.pdfs import pdf_name
from cv_resumes.repository import resumes
from cv_resumes.schemas.responses import serialize_document


@dataclass(frozen=True, slots=True)
class Pdf:
    """The path of a PDF's expiring link, and whether the PDF has a watermark."""

    path: str
    has_watermark: bool


async def export_pdf(context: Context, caller: Caller, resume_id: int, accept_language: str) -> Pdf:
    """Render the resume and its template as they are now.

    Raises NotFound, BadRequest (the PDF has too many pages) and ServiceUnavailable.
    """
    async with context.database.connection() as tx:
        resume = or_404(await resumes.find(tx, owner_or_404(caller), resume_id))
    template = or_404(await context.templates.get(resume.template_id, resume.template_revision))
    now = datetime.now(UTC)
    watermark = resume.entitlement(now).needs_watermark(template.is_premium)
    language = await asyncio.to_thread(  # the first guess loads the model
        resume_language, resume, accept_language, context.settings.pdf_language
    )
    path = await context.renderer.render(
        resume_id=resume_id,
        file_name=pdf_name(resume.full_name, resume.email, now.date(), watermark),
        template=template,
        document=serialize_document(resume),
        language=language,
        watermark=watermark,
        photo=await read_photo(context, resume.photo),
    )
    return Pdf(path, watermark)
