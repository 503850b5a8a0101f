"""HTTP calls to the renderer."""

from collections.abc import Mapping

from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.http import ServiceClient

from cv_templates.domain import HTML, SAMPLE_LANGUAGE, InvalidCatalog, TemplateSource


class Renderer:
    """The renderer service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def thumbnail(self, template: TemplateSource, document: Mapping[str, object]) -> bytes:
        """Draw the document's first page as PNG. Raises InvalidCatalog (the template fails) and ServiceUnavailable."""
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
