"""A picture of a template is ordered."""

from cv_renderer.actions.context import Context
from cv_renderer.actions.rendering import render
from cv_renderer.engine.worker import Output
from cv_renderer.schemas import ThumbnailOrder


async def make_thumbnail(context: Context, order: ThumbnailOrder) -> bytes:
    """A PNG of the document's first page. Raises BadRequest and ServiceUnavailable."""
    return await render(context, order.job(), Output.THUMBNAIL)
