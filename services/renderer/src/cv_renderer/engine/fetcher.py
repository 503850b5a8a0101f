"""What a document may load: the photo it was given and `data:` URLs. No network, no files."""

from email.message import EmailMessage
from typing import Any

from weasyprint.urls import URLFetcher, URLFetcherResponse

PHOTO_URL = "resume:photo"
"""The address under which a template finds the photo."""


class ClosedFetcher(URLFetcher):
    """Answers for `PHOTO_URL` and `data:`; everything else is refused, on HTML, CSS and SVG alike."""

    def __init__(self, photo: bytes | None) -> None:
        super().__init__(allowed_protocols=("data",), allow_redirects=False)
        self._photo = photo

    def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
        if url == PHOTO_URL and self._photo is not None:
            return URLFetcherResponse(url, self._photo, EmailMessage())
        return super().fetch(url, headers)
