"""Create, fetch and delete PDFs."""

import logging
import secrets
from datetime import timedelta
from functools import partial

from cv_common.kernel.errors import NotFound, ServiceUnavailable
from cv_common.messaging import inbox
from cv_common.messaging.events import ResumeDeleted

from cv_renderer.actions.context import Context
from cv_renderer.actions.rendering import render
from cv_renderer.domain.jobs import Job, pdf_key
from cv_renderer.domain.pdfs import PdfLink
from cv_renderer.engine.worker import Output
from cv_renderer.repository import pdfs
from cv_renderer.repository.locks import LockTimeout
from cv_renderer.schemas import PdfRequest

log = logging.getLogger(__name__)

_LOCK_TIMEOUT_SECONDS = 30.0
"""How long to wait while another replica renders the same PDF."""
_UNUSED_FOR = timedelta(hours=1)
"""How long a PDF is kept after its last link has expired."""


async def create_pdf(context: Context, request: PdfRequest) -> PdfLink:
    """Return a link to the PDF, which is rendered only if no equal one is stored.

    Raises BadRequest (it cannot be rendered), NotFound (the resume is deleted) and ServiceUnavailable.
    """
    job = request.job()
    key = pdf_key(request.resume_id, request.template.version, job, context.pool.version)
    link = await _find_or_add_link(context, key, request.file_name)
    if link is None:
        await context.renders.run(key, partial(_render_and_store, context, key, request.resume_id, job))
        link = await _find_or_add_link(context, key, request.file_name)
    if link is None:
        raise NotFound
    return link


async def _find_or_add_link(context: Context, key: str, file_name: str) -> PdfLink | None:
    """Return a link to the stored PDF, valid for at least half the lifetime of a new link; None if no PDF is stored."""
    lifetime = timedelta(seconds=context.settings.pdf_link_lifetime)
    async with context.database.connection() as tx:
        link = await pdfs.find_link(tx, key, file_name, lifetime / 2)
    if link is not None:
        return link
    async with context.database.transaction() as tx:
        await tx.lock("link", key)  # concurrent equal requests find the link that the first of them adds
        link = await pdfs.find_link(tx, key, file_name, lifetime / 2)
        return link or await pdfs.add_link(tx, key, file_name, secrets.token_urlsafe(24), lifetime)


async def _render_and_store(context: Context, key: str, resume_id: int, job: Job) -> None:
    """Render and store the PDF, unless another replica has done so since it was looked up."""
    try:
        async with context.locks.hold(key, _LOCK_TIMEOUT_SECONDS):
            async with context.database.connection() as tx:
                if await pdfs.is_rendered(tx, key):
                    return
            await _store(context, key, resume_id, await render(context, job, Output.PDF))
    except LockTimeout:
        raise ServiceUnavailable("This document is being rendered, try again later.") from None


async def _store(context: Context, key: str, resume_id: int, content: bytes) -> None:
    """Store a PDF. The row comes first, so that every file has a row. Raises NotFound if the resume is deleted."""
    async with context.database.transaction() as tx:
        pdf = await pdfs.begin_pdf(tx, key, resume_id, f"resumes/pdfs/{secrets.token_hex(16)}.pdf")
    if pdf is None:
        raise NotFound
    await context.media.put(pdf.path, content)
    async with context.database.connection() as tx:
        is_stored = await pdfs.finish_pdf(tx, pdf.id)
    if not is_stored:  # the resume was deleted in between, perhaps before this file was written
        await context.media.delete(pdf.path)
        raise NotFound


async def fetch_pdf(context: Context, token: str, file_name: str) -> bytes:
    """Return the PDF behind a link. Raises NotFound if the link is unknown or has expired."""
    async with context.database.connection() as tx:
        pdf = await pdfs.find_linked_pdf(tx, token, file_name)
    if pdf is None:
        raise NotFound
    content = await context.media.get(pdf.path)
    if content is None:
        log.error("the file of a PDF is missing; the next export renders it again", extra={"path": pdf.path})
        async with context.database.connection() as tx:
            await pdfs.discard_pdf(tx, pdf.id)
        raise NotFound
    return content


async def on_resume_deleted(context: Context, event: ResumeDeleted) -> None:
    """Delete the PDFs of a resume and reject new ones."""
    async with context.database.transaction() as tx:
        if await inbox.mark_processed(tx, event):
            await pdfs.mark_resume_deleted(tx, event.resume_id)
    await _delete_discarded(context)


async def purge_expired(context: Context) -> None:
    """Delete expired links and the PDFs that have had no valid link for an hour."""
    kept_for = timedelta(seconds=context.settings.pdf_link_lifetime) + _UNUSED_FOR
    async with context.database.connection() as tx:
        while await pdfs.delete_expired_links(tx):
            pass
        while await pdfs.discard_unused(tx, kept_for):
            pass
    await _delete_discarded(context)


async def _delete_discarded(context: Context) -> None:
    """Delete the files of discarded PDFs, then their rows."""
    while True:
        async with context.database.connection() as tx:
            discarded = await pdfs.list_discarded(tx)
        if not discarded:
            return
        for pdf in discarded:
            await context.media.delete(pdf.path)
        async with context.database.connection() as tx:
            await pdfs.delete_discarded(tx, [pdf.id for pdf in discarded])
