"""What resumes asks of others: a template of templates, a PDF of the renderer."""

import time
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from cv_common.errors import BadRequest, Unavailable
from cv_common.http import Reply, ServiceClient


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
        self._remembered: dict[int, tuple[Template | None, float]] = {}

    async def get(self, template_id: int) -> Template | None:
        """The template, active or not; None when there is none. Raises Unavailable."""
        known = self._remembered.get(template_id)
        if known is not None and time.monotonic() - known[1] < self.FRESH:
            return known[0]
        try:
            found = await self._ask(template_id)
        except Unavailable:
            if known is None:
                raise
            return known[0]
        if len(self._remembered) >= self._REMEMBERED:
            self._remembered.clear()
        self._remembered[template_id] = (found, time.monotonic())
        return found

    async def _ask(self, template_id: int) -> Template | None:
        reply = await self._client.get(f"/internal/templates/{template_id}/")
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
        """The path of the PDF's expiring link. Raises BadRequest (it cannot be rendered) and Unavailable."""
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
            within=45,
        )
        if reply.status == 400:
            raise BadRequest(reply.json()["detail"])
        return str(_expect(reply, 200)["path"])


def _expect(reply: Reply, status: int) -> Any:
    """The reply's JSON; any other status means that the neighbour cannot help now."""
    if reply.status != status:
        retry_after = reply.headers.get("Retry-After", "2")
        raise Unavailable(retry_after=int(retry_after) if retry_after.isdigit() else 2)
    return reply.json()
