"""Render files: run a job in the worker pool, count the outcome, and translate the engine's errors to HTTP errors."""

import time

from cv_common.kernel.errors import BadRequest, ServiceUnavailable
from prometheus_client import Counter, Histogram

from cv_renderer.actions.context import Context
from cv_renderer.domain.jobs import Job
from cv_renderer.engine.errors import EngineBusy, EngineFailed, JobRejected
from cv_renderer.engine.worker import Output
from cv_renderer.schemas import ThumbnailRequest

_RENDERS = Counter("renders_total", "Documents rendered, by how that ended.", ["outcome"])
_SECONDS = Histogram(
    "render_seconds", "Seconds to render a document, with waiting.", buckets=(0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 25)
)
_RETRY_AFTER_SECONDS = 5


async def create_thumbnail(context: Context, request: ThumbnailRequest) -> bytes:
    """Return a PNG of the document's first page. Raises BadRequest and ServiceUnavailable."""
    return await render(context, request.job(), Output.THUMBNAIL)


async def render(context: Context, job: Job, output: Output) -> bytes:
    """Return the rendered file. Raises BadRequest (invalid document or template) and ServiceUnavailable (try again)."""
    started_at = time.perf_counter()
    try:
        content = await context.pool.render(job, output)
    except JobRejected as error:
        _RENDERS.labels("refused").inc()
        raise BadRequest(str(error)) from error
    except EngineBusy as error:
        _RENDERS.labels("busy").inc()
        message = "Too many documents are being rendered, try again later."
        raise ServiceUnavailable(message, _RETRY_AFTER_SECONDS) from error
    except EngineFailed as error:
        _RENDERS.labels("failed").inc()
        raise ServiceUnavailable(str(error), _RETRY_AFTER_SECONDS) from error
    _RENDERS.labels("done").inc()
    _SECONDS.observe(time.perf_counter() - started_at)
    return content
