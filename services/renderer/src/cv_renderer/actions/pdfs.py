"""A PDF is ordered, fetched, and goes when its resume is deleted or its links have expired."""

import logging
import secrets
from datetime import timedelta
from functools import partial

from cv_common.kernel.database import Row
from cv_common.kernel.errors import NotFound, ServiceUnavailable
from cv_common.messaging import inbox
from cv_common.messaging.events import ResumeDeleted

from cv_renderer.actions.context import Context
from cv_renderer.actions.rendering import render
from cv_renderer.domain.jobs import Job, pdf_key
from cv_renderer.engine.worker import Output
from cv_renderer.repository import pdfs
from cv_renderer.repository.locks import LockHeld
from cv_renderer.schemas import PdfOrder

log = logging.getLogger(__name__)

_OTHERS_MAY_TAKE = 30.0
"""Seconds that another replica is given to finish the same PDF."""
_UNUSED = timedelta(hours=1)
"""How long a PDF is kept after its last link expired."""


async def order_pdf(context: Context, order: PdfOrder) -> Row:
    """token, file_name and expires_at of a link to the PDF, which is rendered only if it never was.

    Raises BadRequest (it cannot be rendered), NotFound (its resume was deleted) and ServiceUnavailable.
    """
    job = order.job()
    key = pdf_key(order.resume_id, order.template.version, job, context.pool.version)
    link = await _link(context, key, order.file_name)
    if link is None:
        await context.flights.join(key, partial(_render_once, context, key, order.resume_id, job))
        link = await _link(context, key, order.file_name)
    if link is None:
        raise NotFound
    return link


async def _link(context: Context, key: str, file_name: str) -> Row | None:
    """A link to the PDF of this key with at least half its life before it; None when there is no such PDF."""
    lifetime = timedelta(seconds=context.settings.pdf_link_lifetime)
    async with context.database.connection() as tx:
        known = await pdfs.find_link(tx, key, file_name, lifetime / 2)
    if known is not None:
        return known
    async with context.database.transaction() as tx:
        await tx.lock("link", key)  # equal orders of one moment find the link that the first of them adds
        known = await pdfs.find_link(tx, key, file_name, lifetime / 2)
        return known or await pdfs.add_link(tx, key, file_name, secrets.token_urlsafe(24), lifetime)


async def _render_once(context: Context, key: str, resume_id: int, job: Job) -> None:
    """Render and keep the PDF of this key, unless another replica does so at this moment."""
    try:
        async with context.locks.held(key, _OTHERS_MAY_TAKE):
            async with context.database.connection() as tx:
                if await pdfs.is_ready(tx, key):
                    return
            await _keep(context, key, resume_id, await render(context, job, Output.PDF))
    except LockHeld:
        raise ServiceUnavailable("This document is being rendered, try again later.") from None


async def _keep(context: Context, key: str, resume_id: int, content: bytes) -> None:
    """Store a PDF: its row first, so that no file is ever without one."""
    async with context.database.transaction() as tx:
        pdf = await pdfs.begin(tx, key, resume_id, f"resumes/pdfs/{secrets.token_hex(16)}.pdf")
    if pdf is None:
        raise NotFound
    await context.media.put(pdf["path"], content)
    async with context.database.connection() as tx:
        kept = await pdfs.finish(tx, pdf["id"])
    if not kept:  # its resume was deleted just now, and whoever removed its files may have come too early
        await context.media.delete(pdf["path"])
        raise NotFound


async def fetch_pdf(context: Context, token: str, file_name: str) -> bytes:
    """The PDF behind a link. Raises NotFound once it has expired."""
    async with context.database.connection() as tx:
        pdf = await pdfs.open_link(tx, token, file_name)
    if pdf is None:
        raise NotFound
    content = await context.media.get(pdf["path"])
    if content is None:
        log.error("a PDF's file is missing; its next export renders it again", extra={"path": pdf["path"]})
        async with context.database.connection() as tx:
            await pdfs.discard(tx, pdf["id"])
        raise NotFound
    return content


async def on_resume_deleted(context: Context, event: ResumeDeleted) -> None:
    """Remove a resume's PDFs, and make none any more."""
    async with context.database.transaction() as tx:
        if await inbox.mark_processed(tx, event):
            await pdfs.delete_resume(tx, event.resume_id)
    await remove_discarded(context)


async def tidy(context: Context) -> None:
    """Remove PDFs that nobody can fetch any more."""
    kept_for = timedelta(seconds=context.settings.pdf_link_lifetime) + _UNUSED
    async with context.database.connection() as tx:
        while await pdfs.forget_links(tx):
            pass
        while await pdfs.discard_unused(tx, kept_for):
            pass
    await remove_discarded(context)


async def remove_discarded(context: Context) -> None:
    """Remove the files of discarded PDFs, then their rows."""
    while True:
        async with context.database.connection() as tx:
            discarded = await pdfs.discarded(tx)
        if not discarded:
            return
        for pdf in discarded:
            await context.media.delete(pdf["path"])
        async with context.database.connection() as tx:
            await pdfs.forget(tx, [pdf["id"] for pdf in discarded])
