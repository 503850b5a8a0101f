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
from cv_payments.actions.context import Context
from cv_payments.actions.jobs import Command, QueueName
from cv_payments.actions.polling import MAX_CONCURRENT_POLLS
from cv_payments.clients.catalog import Catalog
from cv_payments.clients.resumes import Resumes
from cv_payments.clients.stripe_account import StripeAccount
from cv_payments.clients.stripe_api import StripeApi
from cv_payments.clients.stripe_connection import StripeConnection
from cv_payments.consumers import consumers, scheduled_jobs
from cv_payments.settings import AccountSettings, Settings


def app() -> ASGIApp:
    """Return the ASGI app, configured by the environment."""
    settings = Settings()
    database = Database(settings.database_url, settings.database_pool_size)
    broker = Broker.from_settings(settings, "payments", publishes=True)
    resumes = ServiceClient("resumes", settings.resumes_url, Signer("payments", settings.identity_private_key))
    connection = StripeConnection(settings.stripe_api_key, settings.stripe_api_base)
    catalog = Catalog(StripeAccount(connection))
    context = Context(
        settings,
        database,
        Resumes(resumes),
        StripeApi(connection),
        catalog,
        stripe_semaphore=asyncio.Semaphore(settings.database_pool_size // 2),
        webhook_semaphore=asyncio.Semaphore(settings.database_pool_size // 4),
        poll_semaphore=asyncio.Semaphore(MAX_CONCURRENT_POLLS),
    )
    return create_app(
        "payments",
        settings,
        [routes.router, routes.internal],
        components=[
            database,
            broker,
            Relay(settings.direct_url, broker),
            resumes,
            connection,
            catalog,
            *consumers(context, broker),
            *scheduled_jobs(context),
        ],
        context=context,
    )


def command() -> None:
    """Run `cv-payments`, configured by its arguments and the environment."""
    arguments = cli.parse(sys.argv[1:])
    try:
        settings = AccountSettings() if arguments.target == "setup-stripe" else Settings()
    except INVALID_SETTINGS as error:
        sys.exit(format_errors(error))
    logs.configure("payments", settings.log_level)
    if arguments.target == "setup-stripe":
        sys.exit(asyncio.run(_set_up(settings, arguments.webhook)))
    assert isinstance(settings, Settings)
    try:
        sys.exit(asyncio.run(_run_command(settings, arguments.target, arguments.command, arguments.keys)))
    except DATABASE_UNAVAILABLE as error:
        sys.exit(f"The database does not answer: {type(error).__name__}")


async def _set_up(settings: AccountSettings, webhook_url: str | None) -> int:
    connection = StripeConnection(settings.stripe_api_key, settings.stripe_api_base)
    await connection.start()
    try:
        account = StripeAccount(connection)
        return await cli.run_setup(account, settings.public_base_url, webhook_url, sys.stdout, sys.stderr)
    finally:
        await connection.stop()


async def _run_command(settings: Settings, queue: QueueName, command: Command, keys: list[str]) -> int:
    database = Database(settings.database_url, pool_size=2)
    await database.start()
    try:
        return await cli.run_command(database, queue, command, keys, sys.stdout)
    finally:
        await database.stop()
