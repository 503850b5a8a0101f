"""HTTP clients: templates, the renderer, and an external source of LinkedIn profiles."""

import logging
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from cv_common.kernel import tcp
from cv_common.kernel.errors import BadRequest, NotFound, ServiceUnavailable
from cv_common.kernel.http import ServiceClient, ServiceResponse

from cv_resumes.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Template:
    """A template, as far as resumes and the renderer need it."""

    id: int
    is_premium: bool
    is_active: bool
    version: str
    html: str
    css: str


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A template, the latest revision of it that was known when it was fetched, and when that was."""

    template: Template
    revision: int
    at: float


_MAX_AGE = 10.0
"""Seconds for which a template is used again. A replica of templates may lag behind the event of a change."""


class Templates:
    """The templates service. The last version of each template is kept: it saves requests, and serves in an outage."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client
        self._fetched: dict[int, _Fetched] = {}

    async def get(self, template_id: int, revision: int = 0) -> Template | None:
        """Return the template, active or not, or None. It is 10 seconds old at most while the service answers.

        It is fetched again if `revision`, that of the latest event about it, is newer than at the last fetch. Raises
        ServiceUnavailable if the service is down and has never returned this template.
        """
        last = self._fetched.get(template_id)
        if last is not None and last.revision >= revision and time.monotonic() - last.at < _MAX_AGE:
            return last.template
        try:
            return await self._fetch(template_id, max(revision, last.revision if last is not None else 0))
        except ServiceUnavailable:
            if last is None:
                raise
            return last.template

    async def default(self) -> Template | None:
        """Return the first free template that is active, or None. Raises ServiceUnavailable."""
        return await self._fetch("default", 0)

    async def _fetch(self, name: int | str, revision: int) -> Template | None:
        response = await self._client.get(f"/internal/templates/{name}/")
        if response.status == 404:  # not kept: the template may be loaded the next moment
            return None
        body = _expect(response, 200)
        template = Template(
            id=body["id"],
            is_premium=body["is_premium"],
            is_active=body["is_active"],
            version=body["version"],
            html=body["template_html"],
            css=body["template_css"],
        )
        self._fetched[template.id] = _Fetched(template, revision, time.monotonic())
        return template


class Renderer:
    """The renderer service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def render(
        self,
        *,
        resume_id: int,
        file_name: str,
        template: Template,
        document: Mapping[str, object],
        language: str,
        watermark: bool,
        photo: bytes | None,
    ) -> str:
        """Render a PDF. Returns the path of its expiring link.

        Raises BadRequest (the document cannot be rendered), NotFound (the resume was deleted meanwhile) and
        ServiceUnavailable.
        """
        response = await self._client.post(
            "/internal/pdfs/",
            {
                "resume_id": resume_id,
                "file_name": file_name,
                "template": {
                    "id": template.id,
                    "version": template.version,
                    "html": template.html,
                    "css": template.css,
                },
                "document": document,
                "language": language,
                "watermark": watermark,
                "photo": b64encode(photo).decode() if photo else None,
            },
            timeout=35,
            idempotent=True,  # equal documents are rendered once
        )
        if response.status == 400:
            raise BadRequest(response.json()["detail"])
        if response.status == 404:
            raise NotFound
        return str(_expect(response, 200)["path"])


class ProfileSource:
    """The operator's source of LinkedIn profiles, if any: it returns JSON Resume documents by profile URL.

    The source is not trusted: time and size are limited, and redirects are not followed.
    """

    name = "source of profiles"

    def __init__(self, settings: Settings) -> None:
        self._url, self._limit = settings.linkedin_source_url or None, settings.linkedin_source_limit
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if settings.linkedin_source_token:
            self._headers["Authorization"] = f"Bearer {settings.linkedin_source_token}"
        seconds = settings.linkedin_source_timeout
        self._timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=min(3, seconds))
        self._session: aiohttp.ClientSession | None = None

    @property
    def is_configured(self) -> bool:
        """Whether the operator has a source."""
        return self._url is not None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=tcp.http_connector(limit=64),
            timeout=self._timeout,
            headers=self._headers,
            auto_decompress=False,
        )

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def check(self) -> str | None:
        """Return None: a source that is down affects imports by URL alone, whose senders get a 503."""
        return None

    async def profile(self, profile_url: str) -> dict[str, object] | None:
        """Return the document of a profile, or None if the source does not know it. Raises ServiceUnavailable."""
        try:
            response = await self._get(profile_url)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _source_failed(type(error).__name__) from error
        if response.status in (404, 410):
            return None
        if response.status != 200:
            raise _source_failed(f"status {response.status}", _retry_after(response, 30))
        if len(response.content) > self._limit:
            raise _source_failed("the profile is too large")
        try:
            document = response.json()
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            raise _source_failed("the answer is not a JSON Resume document")
        return document

    async def _get(self, profile_url: str) -> ServiceResponse:
        assert self._session is not None, "start() was not called"
        assert self._url is not None, "no source is configured"
        async with self._session.get(self._url, params={"url": profile_url}, allow_redirects=False) as response:
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > self._limit:
                    response.close()
                    break
            return ServiceResponse(response.status, bytes(content), response.headers)


def _source_failed(reason: str, retry_after: int = 30) -> ServiceUnavailable:
    log.warning("the source of profiles failed", extra={"reason": reason})
    return ServiceUnavailable("LinkedIn profiles are not available now, try again later.", retry_after)


def _expect(response: ServiceResponse, status: int) -> Any:
    """Return the JSON of a response with this status. Raises ServiceUnavailable for any other status."""
    if response.status != status:
        raise ServiceUnavailable(retry_after=_retry_after(response, 2))
    return response.json()


def _retry_after(response: ServiceResponse, default: int) -> int:
    """Return the seconds of `Retry-After`, an hour at most, or `default`."""
    value = response.headers.get("Retry-After", "")
    return min(int(value), 3600) if value.isascii() and value.isdigit() else default
