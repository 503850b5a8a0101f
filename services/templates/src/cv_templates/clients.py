"""HTTP calls to the renderer."""

from typing import Any

from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.http import ServiceClient

from cv_templates.domain import HTML, SAMPLE_LANGUAGE, InvalidCatalog, TemplateSource


class Renderer:
    """The renderer service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def thumbnail(self, template: TemplateSource, document: dict[str, Any]) -> bytes:
        """A PNG of the document's first page. Raises InvalidCatalog (the template fails) and ServiceUnavailable."""
        response = await self._client.post(
            "/internal/thumbnails/",
            {
                "template": {"html": template.html, "css": template.css},
                "document": document,
                "language": SAMPLE_LANGUAGE,
            },
            timeout=60,
            idempotent=True,  # the renderer stores nothing
        )
        if response.status == 400:
            raise InvalidCatalog([f"{template.slug}/{HTML}: {response.json()['detail']}"])
        if response.status != 200:
            raise ServiceUnavailable(f"The renderer service answered {response.status} for {template.slug}.")
        return response.content
