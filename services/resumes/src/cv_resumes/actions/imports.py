"""A resume is made of what its owner has elsewhere: a LinkedIn profile, by its address or as a data export."""

import asyncio
from dataclasses import dataclass
from typing import Any

from cv_common.drf.body import validate
from cv_common.drf.forms import UploadedFile
from cv_common.kernel.database import Row
from cv_common.kernel.errors import ServiceUnavailable, ValidationFailed
from cv_common.kernel.identity import Caller

from cv_resumes.actions.context import Context
from cv_resumes.actions.once import IdempotencyKey
from cv_resumes.actions.resumes import create_resume
from cv_resumes.domain.archives import Limits, RefusedArchive
from cv_resumes.domain.drafts import Draft, Note
from cv_resumes.domain.json_resume import read_json_resume
from cv_resumes.domain.linkedin import read_export
from cv_resumes.domain.pdfs import choose_language
from cv_resumes.domain.photos import EMPTY, NOT_A_FILE
from cv_resumes.schemas.requests import FileImportBody, ImportedResumeBody, UrlImportBody

_NO_SOURCE = "Import by URL is not available here. Upload your LinkedIn data export (ZIP) instead."
_NO_NAME = {
    "file": "No profile with a name was found in the archive.",
    "linkedin_url": "This profile has no name.",
}
_READERS = asyncio.Semaphore(2)
"""Data exports are unpacked in memory: only so many at a time."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A new resume, the session started for it, if one was, and what did not come along."""

    row: Row
    started: str | None
    report: list[Note] | None


async def import_linkedin(
    context: Context, caller: Caller, data: Any, accept_language: str, once: IdempotencyKey | None
) -> Imported:
    """A new resume from the profile or the data export that request data names.

    The report of a profile of which everything came along is None. Raises ValidationFailed (also for a profile that
    is not known or has no name, and a file that is refused) and
    ServiceUnavailable (the source or templates cannot be asked).
    """
    draft, linkedin_url, from_file = await _drafted(context, data)
    language = choose_language(accept_language, context.settings.pdf_language)
    fields, report = draft.finish(language, caller.email)
    if not fields["full_name"]:
        source = "file" if from_file else "linkedin_url"
        raise ValidationFailed.on(source, _NO_NAME[source])
    template = await context.templates.default()
    if template is None:
        raise ServiceUnavailable("There is no free template to import into.")
    fields |= {"template": template.id, "linkedin_url": linkedin_url}
    row, started = await create_resume(context, caller, fields, once, ImportedResumeBody)
    return Imported(row, started, report if report or from_file else None)


async def _drafted(context: Context, data: Any) -> tuple[Draft, str | None, bool]:
    """What the request's source says, the profile's address, and whether the source is a file."""
    if isinstance(data, dict) and data.get("file") not in (None, ""):
        upload = validate(data, FileImportBody)
        return await _read(context, upload.file), upload.linkedin_url, True
    linkedin_url = validate(data, UrlImportBody).linkedin_url
    return await _fetch(context, linkedin_url), linkedin_url, False


async def _fetch(context: Context, linkedin_url: str) -> Draft:
    if not context.profiles.is_configured:
        raise ValidationFailed.on("linkedin_url", _NO_SOURCE)
    document = await context.profiles.profile(linkedin_url)
    if document is None:
        raise ValidationFailed.on("linkedin_url", "This profile could not be found.")
    return read_json_resume(document)


async def _read(context: Context, upload: UploadedFile | str) -> Draft:
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
        async with _READERS:
            return await asyncio.to_thread(read_export, upload.content, limits)
    except RefusedArchive as refused:
        raise ValidationFailed.on("file", str(refused)) from None
