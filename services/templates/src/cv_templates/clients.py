"""What templates asks of others: pictures of the renderer."""

from typing import Any

from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.http import ServiceClient

from cv_templates.domain import HTML, SAMPLE_LANGUAGE, Template, UnsoundCatalog


class Renderer:
    """Makes thumbnails."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def thumbnail(self, template: Template, document: dict[str, Any]) -> bytes:
        """A PNG of the first page of a document. Raises UnsoundCatalog (the template fails) and ServiceUnavailable."""
        reply = await self._client.post(
            "/internal/thumbnails/",
            {
                "template": {"html": template.html, "css": template.css},
                "document": document,
                "language": SAMPLE_LANGUAGE,
            },
            timeout=60,
            idempotent=True,  # equal documents have equal thumbnails, and nothing is stored
        )
        if reply.status == 400:
            raise UnsoundCatalog([f"{template.slug}/{HTML}: {reply.json()['detail']}"])
        if reply.status != 200:
            raise ServiceUnavailable(f"The renderer service answered {reply.status} for {template.slug}.")
        return reply.content
