"""The engine as actions use it: measured, and with answers instead of the engine's own errors."""

import time

from cv_common.kernel.errors import BadRequest, ServiceUnavailable
from prometheus_client import Counter, Histogram

from cv_renderer.actions.context import Context
from cv_renderer.domain.jobs import Job
from cv_renderer.engine.errors import EngineBusy, EngineFailed, Refused
from cv_renderer.engine.worker import Output

_RENDERS = Counter("renders_total", "Documents rendered, by how that ended.", ["outcome"])
_SECONDS = Histogram(
    "render_seconds", "Seconds to render a document, with waiting.", buckets=(0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 25)
)
_BUSY_FOR = 5
"""Seconds after which a full queue is worth another try."""


async def render(context: Context, job: Job, output: Output) -> bytes:
    """The job's file. Raises BadRequest (it cannot be rendered) and ServiceUnavailable (not now)."""
    began = time.perf_counter()
    try:
        content = await context.pool.render(job, output)
    except Refused as refusal:
        _RENDERS.labels("refused").inc()
        raise BadRequest(str(refusal)) from refusal
    except EngineBusy as busy:
        _RENDERS.labels("busy").inc()
        raise ServiceUnavailable("Too many documents are being rendered, try again later.", _BUSY_FOR) from busy
    except EngineFailed as failure:
        _RENDERS.labels("failed").inc()
        raise ServiceUnavailable(str(failure), _BUSY_FOR) from failure
    _RENDERS.labels("done").inc()
    _SECONDS.observe(time.perf_counter() - began)
    return content
