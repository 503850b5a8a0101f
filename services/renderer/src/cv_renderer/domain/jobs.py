"""What is to be rendered, and the key that equal jobs share."""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from cv_renderer.domain.labels import Language


@dataclass(frozen=True, slots=True)
class Job:
    """A template, the document to fill it with, and how."""

    template_html: str
    template_css: str
    document: dict[str, Any]
    language: Language
    photo: bytes | None = None
    watermark: bool = False


def pdf_key(resume_id: int, template_version: str, job: Job, engine_version: str) -> str:
    """The key of a PDF: equal for equal input, other for a change of anything that can be seen in the result.

    The resume's id is part of it, so that two people with the same content never share a file.
    """
    parts = (
        engine_version,
        str(resume_id),
        template_version,
        job.template_html,
        job.template_css,
        orjson.dumps(job.document, option=orjson.OPT_SORT_KEYS),
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
