"""What resumes asks of others: a template of templates, a PDF of the renderer, a profile of a source outside."""

import logging
import time
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from cv_common.kernel import tcp
from cv_common.kernel.errors import BadRequest, NotFound, ServiceUnavailable
from cv_common.kernel.http import ServiceClient, ServiceResponse

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Template:
    """The fields of a template that resumes and its PDFs need."""

    id: int
    is_premium: bool
    is_active: bool
    version: str
    html: str
    css: str


class Templates:
    """Templates by id, remembered for a few seconds, and for longer while the service is down."""

    FRESH = 10.0
    """Seconds a template is taken from memory without asking."""
    _REMEMBERED = 1000

    def __init__(self, client: ServiceClient) -> None:
        self._client = client
        self._remembered: dict[int, tuple[Template, float]] = {}

    async def get(self, template_id: int) -> Template | None:
        """The template, active or not; None when there is none. Raises ServiceUnavailable."""
        known = self._remembered.get(template_id)
        if known is not None and time.monotonic() - known[1] < self.FRESH:
            return known[0]
        try:
            return await self.anew(template_id)
        except ServiceUnavailable:
            if known is None:
                raise
            return known[0]

    async def default(self) -> Template | None:
        """The first free template that is active; None when there is none. Raises ServiceUnavailable."""
        return await self.anew("default")

    async def anew(self, name: int | str) -> Template | None:
        """The template as it is now, whatever is remembered; None when there is none. Raises ServiceUnavailable."""
        found = await self._ask(name)
        if found is not None:  # what is not there may be loaded the next moment
            if len(self._remembered) >= self._REMEMBERED:
                self._remembered.clear()
            self._remembered[found.id] = (found, time.monotonic())
        return found

    async def _ask(self, name: int | str) -> Template | None:
        reply = await self._client.get(f"/internal/templates/{name}/")
        if reply.status == 404:
            return None
        body = _expect(reply, 200)
        return Template(
            id=body["id"],
            is_premium=body["is_premium"],
            is_active=body["is_active"],
            version=body["version"],
            html=body["template_html"],
            css=body["template_css"],
        )


class Renderer:
    """Makes PDFs of documents."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def render(
        self,
        *,
        resume_id: int,
        file_name: str,
        template: Template,
        document: dict[str, Any],
        language: str,
        watermark: bool,
        photo: bytes | None,
    ) -> str:
        """The path of the PDF's expiring link.

        Raises BadRequest (it cannot be rendered), NotFound (the resume was deleted meanwhile) and ServiceUnavailable.
        """
        reply = await self._client.post(
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
        if reply.status == 400:
            raise BadRequest(reply.json()["detail"])
        if reply.status == 404:
            raise NotFound
        return str(_expect(reply, 200)["path"])


class ProfileSource:
    """Where LinkedIn profiles come from, if the operator has a source: JSON Resume documents by profile address.

    The source is somebody else's: it gets so long and so many bytes, and no redirect of its is followed.
    """

    name = "source of profiles"

    def __init__(self, url: str | None, token: str | None, *, timeout: float, limit: int) -> None:
        self._url = url or None
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=min(3, timeout))
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None

    @property
    def is_configured(self) -> bool:
        """Whether there is a source."""
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
        """A source that is down is said to whoever imports; all else goes on."""
        return None

    async def profile(self, profile_url: str) -> dict[str, Any] | None:
        """The document of a profile; None when the source knows none. Raises ServiceUnavailable."""
        try:
            reply = await self._ask(profile_url)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _source_failed(type(error).__name__) from error
        if reply.status in (404, 410):
            return None
        if reply.status != 200:
            raise _source_failed(f"status {reply.status}", _retry_after(reply, 30))
        if len(reply.content) > self._limit:
            raise _source_failed("the profile is too large")
        try:
            document = reply.json()
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            raise _source_failed("the answer is no JSON Resume document")
        return document

    async def _ask(self, profile_url: str) -> ServiceResponse:
        assert self._session is not None, "start() comes first"
        assert self._url is not None, "there is a source"
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


def _expect(reply: ServiceResponse, status: int) -> Any:
    """The reply's JSON; any other status means that the neighbour cannot help now."""
    if reply.status != status:
        raise ServiceUnavailable(retry_after=_retry_after(reply, 2))
    return reply.json()


def _retry_after(reply: ServiceResponse, default: int) -> int:
    """How many seconds whoever answered asks to wait, within an hour."""
    asked = reply.headers.get("Retry-After", "")
    return min(int(asked), 3600) if asked.isascii() and asked.isdigit() else default
