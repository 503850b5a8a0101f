"""The composition root of the templates service and of its command line."""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from cv_common.app import Component, create_app
from cv_common.kernel import logs
from cv_common.kernel.database import Database
from cv_common.kernel.http import ServiceClient
from cv_common.kernel.identity import Signer
from cv_common.kernel.media import Media
from cv_common.kernel.settings import INVALID_SETTINGS, format_errors
from cv_common.messaging.broker import Broker
from cv_common.messaging.outbox import Relay
from starlette.types import ASGIApp

from cv_templates import cli, routes
from cv_templates.actions import Context
from cv_templates.clients import Renderer
from cv_templates.consumers import CatalogListener
from cv_templates.settings import Settings


def app() -> ASGIApp:
    """Create the ASGI app, configured by the environment."""
    settings = Settings()
    context, components = compose(settings)
    broker = Broker.from_settings(settings, "templates", publishes=True)
    return create_app(
        "templates",
        settings,
        [routes.router, routes.media, routes.internal],
        components=[*components, broker, Relay(settings.direct_url, broker), CatalogListener(context)],
        context=context,
    )


def command() -> None:
    """Run the console script `cv-templates`, configured by the environment."""
    arguments = cli.parse(sys.argv[1:])
    try:
        settings = Settings()
    except INVALID_SETTINGS as error:
        sys.exit(format_errors(error))
    logs.configure("templates", settings.log_level)
    sys.exit(asyncio.run(_load(settings, arguments.folder)))


async def _load(settings: Settings, folder: Path) -> int:
    context, components = compose(settings)
    async with AsyncExitStack() as stack:
        for component in components:
            await component.start()
            stack.push_async_callback(component.stop)
        return await cli.run(context, folder, sys.stdout, sys.stderr)


def compose(settings: Settings) -> tuple[Context, list[Component]]:
    """Create the context of the actions, and return it with its components to start."""
    database = Database(settings.database_url, settings.database_pool_size)
    client = ServiceClient("renderer", settings.renderer_url, Signer("templates", settings.identity_private_key))
    media = Media(settings.media_url, settings.media_options)
    return Context(settings, database, media, Renderer(client)), [database, media, client]
