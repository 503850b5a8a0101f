"""The composition root of the resumes service: settings, components and routers become an app."""

from functools import partial

from cv_common.app import create_app
from cv_common.kernel.database import Database
from cv_common.kernel.http import ServiceClient
from cv_common.kernel.identity import Signer
from cv_common.kernel.media import Media
from cv_common.kernel.periodic import Periodic
from cv_common.messaging.broker import Broker
from cv_common.messaging.outbox import Relay
from starlette.types import ASGIApp

from cv_resumes import routes
from cv_resumes.actions.abandoned import delete_abandoned
from cv_resumes.actions.context import Context
from cv_resumes.actions.photos import delete_due_photos
from cv_resumes.clients import ProfileSource, Renderer, Templates
from cv_resumes.consumers import consumers
from cv_resumes.settings import Settings

_DAY = 24 * 3600
_TEN_MINUTES = 600


def app() -> ASGIApp:
    """Create the ASGI app, configured by the environment."""
    settings = Settings()
    signer = Signer("resumes", settings.identity_private_key)
    database = Database(settings.database_url, settings.database_pool_size)
    broker = Broker.from_settings(settings, "resumes", publishes=True)
    templates = ServiceClient("templates", settings.templates_url, signer)
    renderer = ServiceClient("renderer", settings.renderer_url, signer)
    profiles = ProfileSource(settings)
    media = Media(settings.media_url, settings.media_options)
    context = Context(settings, database, Templates(templates), Renderer(renderer), media, profiles)
    return create_app(
        "resumes",
        settings,
        [routes.router, routes.media, routes.internal],
        components=[
            database,
            media,
            broker,
            Relay(settings.direct_url, broker),
            templates,
            renderer,
            profiles,
            *consumers(context, broker),
            Periodic("erasure of abandoned resumes", _DAY, partial(delete_abandoned, context)),
            Periodic("removal of discarded photos", _TEN_MINUTES, partial(delete_due_photos, context)),
        ],
        context=context,
    )
