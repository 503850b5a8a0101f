"""Stored PDFs and the links to them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PdfLink:
    """A link under which a PDF can be fetched until `expires_at`."""

    token: str
    file_name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPdf:
    """The row of a PDF and the path of its file in the media store."""

    id: int
    path: str
