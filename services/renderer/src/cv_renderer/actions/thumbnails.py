"""Create the thumbnail of a template."""

from cv_renderer.actions.context import Context
from cv_renderer.actions.rendering import render
from cv_renderer.engine.worker import Output
from cv_renderer.schemas import ThumbnailRequest


async def create_thumbnail(context: Context, request: ThumbnailRequest) -> bytes:
    """Return a PNG of the document's first page. Raises BadRequest and ServiceUnavailable."""
    return await render(context, request.job(), Output.THUMBNAIL)
