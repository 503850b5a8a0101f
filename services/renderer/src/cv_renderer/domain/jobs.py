"""Render jobs, and the key that equal jobs share."""

import hashlib
import json
from dataclasses import dataclass

from cv_renderer.domain.documents import Document


@dataclass(frozen=True, slots=True)
class Job:
    """A template, the document to fill it with, and options."""

    template_html: str
    template_css: str
    document: Document
    language: str
    """A BCP 47 tag."""
    photo: bytes | None = None
    watermark: bool = False


def pdf_key(resume_id: int, template_version: str, job: Job, engine_version: str) -> str:
    """Return the cache key of a PDF: a hash of everything that shows in it.

    The resume's id is part of it, so that two people with the same content never share a file.
    """
    parts = (
        engine_version,
        str(resume_id),
        template_version,
        job.template_html,
        job.template_css,
        json.dumps(job.document, sort_keys=True),  # orjson takes no integers beyond 64 bits
        job.language,
        str(job.watermark),
        job.photo or b"",
    )
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8))
        digest.update(content)
    return digest.hexdigest()
