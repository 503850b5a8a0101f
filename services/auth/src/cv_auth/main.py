"""The composition root of the auth service."""

from functools import partial

from cv_common.app import create_app
from cv_common.kernel.database import Database
from cv_common.kernel.http import ServiceClient
from cv_common.kernel.identity import Signer
from cv_common.kernel.periodic import Periodic
from cv_common.messaging.broker import Broker
from cv_common.messaging.outbox import Relay
from starlette.types import ASGIApp

from cv_auth import routes
from cv_auth.actions import tokens
from cv_auth.actions.context import Context
from cv_auth.actions.hashing import PasswordHasher
from cv_auth.clients import SessionClaimClient
from cv_auth.consumers import consumers
from cv_auth.domain.tokens import TokenKeys
from cv_auth.settings import Settings


def app() -> ASGIApp:
    """Create the ASGI app, configured by the environment."""
    settings = Settings()
    signer = Signer("auth", settings.identity_private_key)
    database = Database(settings.database_url, settings.database_pool_size)
    broker = Broker.from_settings(settings, "auth", publishes=True)
    resumes = ServiceClient("resumes", settings.resumes_url, signer)
    payments = ServiceClient("payments", settings.payments_url, signer)
    hasher = PasswordHasher(settings.password_hash_workers, settings.password_hash_queue)
    keys = TokenKeys(settings.access_token_keys)
    context = Context(settings, database, hasher, keys, SessionClaimClient([resumes, payments]))
    return create_app(
        "auth",
        settings,
        [routes.router, routes.well_known, routes.internal],
        components=[
            database,
            hasher,
            broker,
            Relay(settings.direct_url, broker),
            resumes,
            payments,
            *consumers(context, broker),
            Periodic("purge of refresh tokens", 3600, partial(tokens.purge_tokens, context)),
        ],
        context=context,
        users_only=routes.USERS_ONLY,
    )
