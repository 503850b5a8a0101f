"""The composition root of the renderer."""

from functools import partial

from cv_common.app import create_app
from cv_common.kernel.database import Database
from cv_common.kernel.media import Media
from cv_common.kernel.periodic import Periodic
from cv_common.messaging.broker import Broker
from starlette.types import ASGIApp

from cv_renderer import routes
from cv_renderer.actions import pdfs
from cv_renderer.actions.context import Context
from cv_renderer.consumers import consumers
from cv_renderer.engine.worker import JobLimits
from cv_renderer.engine.worker_pool import WorkerPool
from cv_renderer.repository.locks import KeyLocks
from cv_renderer.settings import Settings


def app() -> ASGIApp:
    """Return the ASGI app, configured by the environment."""
    settings = Settings()
    database = Database(settings.database_url, settings.database_pool_size)
    broker = Broker.from_settings(settings, "renderer")
    limits = JobLimits(cpu_seconds=settings.render_cpu_seconds)
    pool = WorkerPool(workers=settings.render_workers, queue_size=settings.render_queue, limits=limits)
    locks = KeyLocks(settings.direct_url)
    media = Media(settings.media_url, settings.media_options)
    context = Context(settings, database, media, pool, locks)
    return create_app(
        "renderer",
        settings,
        [routes.internal, routes.media],
        components=[
            database,
            media,
            pool,
            locks,
            broker,
            *consumers(context, broker),
            Periodic("housekeeping", 600, partial(pdfs.purge_expired, context)),
        ],
        context=context,
    )
