"""Import resumes from LinkedIn: from a profile by its URL, or from a member's data export."""

import asyncio
from dataclasses import replace

from cv_common.drf.body import ParsedBody, validate_partial
from cv_common.drf.forms import UploadedFile
from cv_common.kernel.errors import ServiceUnavailable, ValidationFailed
from cv_common.kernel.identity import Caller

from cv_resumes.actions.context import Context
from cv_resumes.actions.resumes import CreatedResume, create_resume
from cv_resumes.domain.archives import InvalidArchive, Limits
from cv_resumes.domain.drafts import Draft
from cv_resumes.domain.idempotency import IdempotencyKey
from cv_resumes.domain.json_resume import read_json_resume
from cv_resumes.domain.linkedin import read_export
from cv_resumes.domain.pdfs import choose_language
from cv_resumes.domain.photos import EMPTY, NOT_A_FILE
from cv_resumes.schemas.requests import FileImportBody, ImportedResumeBody, ResumeRequest, UrlImportBody

_NO_SOURCE = "Import by URL is not available here. Upload your LinkedIn data export (ZIP) instead."
_NO_NAME = {
    "file": "No profile with a name was found in the archive.",
    "linkedin_url": "This profile has no name.",
}
_ARCHIVE_READERS = asyncio.Semaphore(2)
"""Data exports are unpacked in memory, so only two at a time are."""


async def import_linkedin(
    context: Context,
    caller: Caller,
    body: UrlImportBody | FileImportBody,
    accept_language: str,
    key: IdempotencyKey | None,
) -> CreatedResume:
    """Create a resume from a profile or a data export. The report is None if a profile was imported completely.

    Raises ValidationFailed (also for an unknown profile, one without a name, and an invalid file), BadRequest, as
    `create_resume` does, and ServiceUnavailable (the source or templates does not answer).
    """
    if isinstance(body, FileImportBody):
        source, draft = "file", await _read_export(context, body.file)
    else:
        source, draft = "linkedin_url", await _fetch_profile(context, body.linkedin_url)
    language = choose_language(accept_language, context.settings.pdf_language)
    fields, report = draft.finish(language, caller.email)
    if not fields["full_name"]:
        raise ValidationFailed.on(source, _NO_NAME[source])
    template = await context.templates.default()
    if template is None:
        raise ServiceUnavailable("There is no free template to import into.")
    fields |= {"template": template.id, "linkedin_url": body.linkedin_url}
    resume: ParsedBody[ResumeRequest] = validate_partial(fields, ImportedResumeBody)
    created = await create_resume(context, caller, resume, key)
    return replace(created, import_report=report) if report or source == "file" else created


async def _fetch_profile(context: Context, linkedin_url: str) -> Draft:
    if not context.profiles.is_configured:
        raise ValidationFailed.on("linkedin_url", _NO_SOURCE)
    document = await context.profiles.profile(linkedin_url)
    if document is None:
        raise ValidationFailed.on("linkedin_url", "This profile could not be found.")
    return read_json_resume(document)


async def _read_export(context: Context, upload: UploadedFile | str) -> Draft:
    settings = context.settings
    if isinstance(upload, str):
        raise ValidationFailed.on("file", NOT_A_FILE)
    if not upload.content:
        raise ValidationFailed.on("file", EMPTY)
    if len(upload.content) > settings.import_file_limit:
        raise ValidationFailed.on("file", f"The file may have at most {settings.import_file_limit / 2**20:g} MB.")
    limits = Limits(
        files=settings.import_archive_files,
        unpacked=settings.import_archive_unpacked,
        read=settings.import_archive_read,
        ratio=settings.import_archive_ratio,
    )
    try:
        async with _ARCHIVE_READERS:
            return await asyncio.to_thread(read_export, upload.content, limits)
    except InvalidArchive as error:
        raise ValidationFailed.on("file", str(error)) from None
