"""A resume becomes a PDF."""

from datetime import UTC, datetime

from cv_common.kernel.errors import NotFound
from cv_common.kernel.identity import Caller

from cv_resumes.actions.context import Context, found, known_owner
from cv_resumes.actions.photos import read_photo
from cv_resumes.domain.entitlement import entitlement
from cv_resumes.domain.pdfs import choose_language, pdf_name
from cv_resumes.repository import resumes
from cv_resumes.schemas.answers import present_document


async def export_pdf(context: Context, caller: Caller, resume_id: int, accept_language: str) -> tuple[str, bool]:
    """The path of a PDF of the resume as it is now, and whether it is watermarked.

    Raises NotFound, BadRequest (it has too many pages) and ServiceUnavailable.
    """
    async with context.database.connection() as tx:
        row = found(await resumes.visible(tx, known_owner(caller), resume_id))
    template = await context.templates.get(row["template_id"])
    if template is None:
        raise NotFound
    if template.is_premium != row["template_is_premium"]:
        # It became premium, or free, after this was written: what a resume shows is what its export does.
        async with context.database.connection() as tx:
            await resumes.reprice(tx, resume_id, template.id, template.is_premium)
    now = datetime.now(UTC)
    watermark = entitlement(row["bought"], row["entitled_until"], now).needs_watermark(template.is_premium)
    path = await context.renderer.render(
        resume_id=resume_id,
        file_name=pdf_name(row["full_name"], now.date(), watermark),
        template=template,
        document=present_document(row),
        language=choose_language(accept_language, context.settings.pdf_language),
        watermark=watermark,
        photo=await read_photo(context, row["photo"]),
    )
    return path, watermark
