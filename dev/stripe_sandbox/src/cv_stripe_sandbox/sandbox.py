"""The stand-in's world: its file, its settings, and the one way to change it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.objects.events import webhook_endpoint
from cv_stripe_sandbox.settings import Settings
from cv_stripe_sandbox.store.database import Database

ENVIRONMENT_ENDPOINT = "we_1SandboxEnvironmentEndpoint"


class Sandbox:
    """Opens the file on creation; `after_change` is called whenever a change has been committed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.after_change: Callable[[], None] = lambda: None
        self._database = Database(settings.data)
        with self.change() as context:
            _register_environment_endpoint(context)

    @contextmanager
    def change(self, *, request_id: str | None = None, idempotency_key: str | None = None) -> Iterator[Context]:
        """A transaction: everything the block does is committed together, or nothing of it."""
        with self._database.transaction() as connection:
            yield Context(connection, self.settings, request_id=request_id, idempotency_key=idempotency_key)
        self.after_change()

    @contextmanager
    def view(self) -> Iterator[Context]:
        """A look at the world that changes nothing."""
        with self._database.transaction() as connection:
            yield Context(connection, self.settings)

    def reset(self) -> None:
        """Forget everything; the endpoint of the environment is made anew."""
        self._database.empty()
        with self.change() as context:
            _register_environment_endpoint(context)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _register_environment_endpoint(context: Context) -> None:
    """Make SANDBOX_WEBHOOK_URL an endpoint like any other, with the secrets of this start."""
    settings = context.settings
    known = context.objects.find(ENVIRONMENT_ENDPOINT)
    if settings.webhook_url is None:
        if known is not None:
            context.objects.delete(ENVIRONMENT_ENDPOINT)
        return
    if known is None:
        described = {
            "url": settings.webhook_url,
            "enabled_events": list(settings.webhook_events),
            "description": "SANDBOX_WEBHOOK_URL",
        }
        known = webhook_endpoint(described, context.now) | {"id": ENVIRONMENT_ENDPOINT}
        context.create(known)
    context.update(known, {"url": settings.webhook_url, "enabled_events": list(settings.webhook_events)})
    context.objects.remember(ENVIRONMENT_ENDPOINT, {"secrets": list(settings.webhook_secrets)})
