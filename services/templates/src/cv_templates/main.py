"""The composition root of the templates service and of its command."""

import asyncio
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from cv_common.app import Component, create_app
from cv_common.kernel import logs
from cv_common.kernel.database import Database
from cv_common.kernel.http import ServiceClient
from cv_common.kernel.identity import Signer
from cv_common.kernel.media import Media
from cv_common.kernel.periodic import Periodic
from cv_common.kernel.settings import INVALID_SETTINGS, format_errors
from starlette.types import ASGIApp

from cv_templates import actions, cli, routes
from cv_templates.actions import Context
from cv_templates.clients import Renderer
from cv_templates.settings import Settings


def app() -> ASGIApp:
    """The service, from its environment."""
    settings = Settings()
    context, parts = compose(settings)
    return create_app(
        "templates",
        settings,
        [routes.router, routes.media, routes.internal],
        components=[*parts, Periodic("catalog", actions.REFRESH_EVERY, partial(actions.refresh, context))],
        context=context,
    )


def command() -> None:
    """`cv-templates`, from its arguments and its environment."""
    arguments = cli.parse(sys.argv[1:])
    try:
        settings = Settings()
    except INVALID_SETTINGS as error:
        sys.exit(format_errors(error))
    logs.configure("templates", settings.log_level)
    sys.exit(asyncio.run(_load(settings, arguments.folder)))


async def _load(settings: Settings, folder: Path) -> int:
    context, parts = compose(settings)
    async with AsyncExitStack() as stack:
        for part in parts:
            await part.start()
            stack.push_async_callback(part.stop)
        return await cli.run(context, folder, sys.stdout, sys.stderr)


def compose(settings: Settings) -> tuple[Context, list[Component]]:
    """What the actions act with, and what of it has to be started."""
    database = Database(settings.database_url, settings.database_pool_size)
    client = ServiceClient("renderer", settings.renderer_url, Signer("templates", settings.identity_private_key))
    media = Media(settings.media_url, settings.media_options)
    return Context(settings, database, media, Renderer(client)), [database, media, client]
