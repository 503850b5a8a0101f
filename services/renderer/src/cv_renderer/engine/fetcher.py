"""The URLs that a document may load: its photo and `data:` URLs. No network, no files."""

from email.message import EmailMessage

from weasyprint.urls import URLFetcher, URLFetcherResponse

PHOTO_URL = "resume:photo"
"""The URL of the photo in templates."""


class RestrictedFetcher(URLFetcher):
    """Fetches `PHOTO_URL` and `data:` URLs, and rejects all others, whether HTML, CSS or SVG refers to them."""

    def __init__(self, photo: bytes | None) -> None:
        super().__init__(allowed_protocols=("data",), allow_redirects=False)
        self._photo = photo

    def fetch(self, url: str, headers: object = None) -> URLFetcherResponse:
        if url == PHOTO_URL and self._photo is not None:
            return URLFetcherResponse(url, self._photo, EmailMessage())
        return super().fetch(url, headers)
