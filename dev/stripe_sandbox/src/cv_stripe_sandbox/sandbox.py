"""The state of the sandbox: its database, its settings, and the transactions that change it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.objects.events import webhook_endpoint
from cv_stripe_sandbox.repository.database import Database
from cv_stripe_sandbox.settings import Settings

ENVIRONMENT_ENDPOINT = "we_1SandboxEnvironmentEndpoint"


class Sandbox:
    """Opens the database when created, and calls `after_change` after each committed change."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.after_change: Callable[[], None] = lambda: None
        self._database = Database(settings.data)
        with self.change() as context:
            _register_environment_endpoint(context)

    @contextmanager
    def change(self, *, request_id: str | None = None, idempotency_key: str | None = None) -> Iterator[Context]:
        """Yield a read-write transaction: the block is committed as a whole, or rolled back."""
        with self._database.transaction() as connection:
            yield Context(connection, self.settings, request_id=request_id, idempotency_key=idempotency_key)
        self.after_change()

    @contextmanager
    def view(self) -> Iterator[Context]:
        """Yield a transaction for a block that only reads."""
        with self._database.transaction() as connection:
            yield Context(connection, self.settings)

    def reset(self) -> None:
        """Delete everything except the webhook endpoint of the environment."""
        self._database.delete_all()
        with self.change() as context:
            _register_environment_endpoint(context)

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _register_environment_endpoint(context: Context) -> None:
    """Create, update or delete the webhook endpoint that SANDBOX_WEBHOOK_URL describes."""
    settings = context.settings
    endpoint = context.objects.find(ENVIRONMENT_ENDPOINT)
    if settings.webhook_url is None:
        if endpoint is not None:
            context.objects.delete(ENVIRONMENT_ENDPOINT)
        return
    if endpoint is None:
        params = {
            "url": settings.webhook_url,
            "enabled_events": list(settings.webhook_events),
            "description": "SANDBOX_WEBHOOK_URL",
        }
        endpoint = webhook_endpoint(params, context.now) | {"id": ENVIRONMENT_ENDPOINT}
        context.create(endpoint)
    context.update(endpoint, {"url": settings.webhook_url, "enabled_events": list(settings.webhook_events)})
    context.objects.set_private(ENVIRONMENT_ENDPOINT, {"secrets": list(settings.webhook_secrets)})
