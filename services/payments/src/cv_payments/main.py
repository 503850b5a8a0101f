"""The composition root of the payments service and of its command."""

import asyncio
import sys

from cv_common.app import create_app
from cv_common.kernel import logs
from cv_common.kernel.database import DATABASE_UNAVAILABLE, Database
from cv_common.kernel.http import ServiceClient
from cv_common.kernel.identity import Signer
from cv_common.kernel.settings import INVALID_SETTINGS, format_errors
from cv_common.messaging.broker import Broker
from cv_common.messaging.outbox import Relay
from starlette.types import ASGIApp

from cv_payments import cli, routes
from cv_payments.actions.attention import Pile
from cv_payments.actions.context import Context
from cv_payments.actions.polling import POLLS_AT_ONCE
from cv_payments.clients.catalogue import Catalogue
from cv_payments.clients.resumes import Resumes
from cv_payments.clients.stripe_account import StripeAccount
from cv_payments.clients.stripe_api import Stripe
from cv_payments.clients.stripe_connection import StripeConnection
from cv_payments.consumers.bus import consumers
from cv_payments.consumers.clock import clocks
from cv_payments.settings import AccountSettings, Settings


def app() -> ASGIApp:
    """The service, from its environment."""
    settings = Settings()
    database = Database(settings.database_url, settings.database_pool_size)
    bus = Broker.from_settings(settings, "payments", publishes=True)
    resumes = ServiceClient("resumes", settings.resumes_url, Signer("payments", settings.identity_private_key))
    connection = StripeConnection(settings.stripe_api_key, settings.stripe_api_base)
    stripe = Stripe(connection)
    catalogue = Catalogue(StripeAccount(connection))
    context = Context(
        settings,
        database,
        Resumes(resumes),
        stripe,
        catalogue,
        slots=asyncio.Semaphore(settings.database_pool_size // 2),
        letterbox=asyncio.Semaphore(settings.database_pool_size // 4),
        polls=asyncio.Semaphore(POLLS_AT_ONCE),
    )
    return create_app(
        "payments",
        settings,
        [routes.router, routes.internal],
        components=[
            database,
            bus,
            Relay(settings.direct_url, bus),
            resumes,
            connection,
            catalogue,
            *consumers(context, bus),
            *clocks(context),
        ],
        context=context,
    )


def command() -> None:
    """`cv-payments`, from its arguments and its environment."""
    arguments = cli.parse(sys.argv[1:])
    try:
        settings = AccountSettings() if arguments.command == "setup-stripe" else Settings()
    except INVALID_SETTINGS as error:
        sys.exit(format_errors(error))
    logs.configure("payments", settings.log_level)
    if not isinstance(settings, Settings):
        sys.exit(asyncio.run(_set_up(settings, arguments.webhook)))
    try:
        sys.exit(asyncio.run(_attend(settings, arguments.command, arguments.deed, arguments.keys)))
    except DATABASE_UNAVAILABLE as error:
        sys.exit(f"The database does not answer: {type(error).__name__}")


async def _set_up(settings: AccountSettings, webhook_url: str | None) -> int:
    connection = StripeConnection(settings.stripe_api_key, settings.stripe_api_base)
    await connection.start()
    try:
        return await cli.run(StripeAccount(connection), settings.public_base_url, webhook_url, sys.stdout, sys.stderr)
    finally:
        await connection.stop()


async def _attend(settings: Settings, pile: Pile, deed: cli.Deed, keys: list[str]) -> int:
    database = Database(settings.database_url, pool_size=2)
    await database.start()
    try:
        return await cli.attend(database, pile, deed, keys, sys.stdout)
    finally:
        await database.stop()
