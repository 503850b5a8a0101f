"""For tests: a sandbox on a free port, clients of its API and pages, and a receiver of its webhooks.

Needs `httpx` beside the package's own dependencies.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import httpx
import stripe
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from stripe.params.checkout import SessionCreateParams

from cv_stripe_sandbox.main import create_app
from cv_stripe_sandbox.settings import Settings

API_KEY = "sk_test_sandbox"
SECRET = "whsec_sandbox"  # noqa: S105 - a test secret
TIMEOUT = 15.0

stripe.enable_telemetry = False


class ServerThread:
    """Serves an application in a thread of this process."""

    def __init__(self, listener: socket.socket, application: Starlette) -> None:
        config = uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started)

    def stop(self) -> None:
        """Stop serving and wait until the thread has ended."""
        self.request_stop()
        self._thread.join(TIMEOUT)

    def request_stop(self) -> None:
        """Ask the server to stop."""
        self._server.should_exit = True


class Receiver:
    """A webhook endpoint: verifies events with the SDK, records them, and answers with the statuses in `answers`."""

    def __init__(self) -> None:
        self.events: list[stripe.Event] = []
        self.signatures: list[str] = []
        self.secrets = [SECRET]
        self.answers: list[int] = []
        self.answering = threading.Event()
        self.answering.set()

    def application(self) -> Starlette:
        """Return the receiver as a web application: POST /webhook/."""
        return Starlette(routes=[Route("/webhook/", self._receive, methods=["POST"])])

    def types(self) -> list[str]:
        """Return the types of the received events, in order of arrival."""
        return [event.type for event in list(self.events)]

    def of_type(self, kind: str) -> list[stripe.Event]:
        """Return the received events of one type."""
        return [event for event in list(self.events) if event.type == kind]

    def wait_for(self, kind: str, count: int = 1) -> stripe.Event:
        """Wait for the count-th event of a type, and return it."""
        wait_until(lambda: len(self.of_type(kind)) >= count)
        return self.of_type(kind)[count - 1]

    async def _receive(self, request: Request) -> Response:
        payload, header = await request.body(), request.headers["stripe-signature"]
        status = self.answers.pop(0) if self.answers else 200
        for secret in self.secrets:
            event = stripe.Webhook.construct_event(payload, header, secret)
        self.signatures.append(header)
        self.events.append(event)
        return JSONResponse({}, status)


class SandboxClient:
    """A running sandbox for tests: its URL, Stripe's client, an HTTP client for its pages, and the webhook receiver."""

    def __init__(self, settings: Settings, receiver: Receiver) -> None:
        self.settings = settings
        self.receiver = receiver
        self.url = settings.public_url
        self.client = stripe.StripeClient(API_KEY, base_addresses={"api": self.url})
        self.browser = httpx.Client(base_url=self.url, timeout=30)

    def checkout(self, **changes: Any) -> stripe.checkout.Session:
        """Create a session for one payment of 4.99 EUR, with changed parameters."""
        return self.client.v1.checkout.sessions.create(payment_params(**changes))

    def pay(self, session: stripe.checkout.Session) -> httpx.Response:
        """Press `Pay` on the checkout page."""
        return self.browser.post(f"{session.url}/pay")

    def subscribe(self, **changes: Any) -> stripe.Subscription:
        """Buy a monthly subscription, with changed parameters."""
        session = self.client.v1.checkout.sessions.create(subscription_params(**changes))
        self.pay(session)
        paid = self.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
        if not isinstance(paid.subscription, stripe.Subscription):
            raise TypeError(f"session {session.id} was not paid")
        return paid.subscription

    def control(self, name: str, /, **body: Any) -> Any:
        """Call the control API: POST /sandbox/<name>."""
        response = self.browser.post(f"/sandbox/{name}", json=body)
        assert response.status_code == 200, response.text
        return response.json()


def payment_params(**changes: Any) -> SessionCreateParams:
    """Return the parameters of a session for one payment of 4.99 EUR, with changes. None removes a parameter."""
    params: dict[str, Any] = {
        "mode": "payment",
        "client_reference_id": "attempt-1",
        "line_items": [{"price_data": ONE_CV, "quantity": 1}],
        "metadata": {"payment_id": "attempt-1"},
        "payment_intent_data": {"metadata": {"payment_id": "attempt-1"}},
        "customer_creation": "always",
        "success_url": "http://localhost:3000/thanks?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://localhost:3000/back",
        "locale": "fr",
        "adaptive_pricing": {"enabled": False},
        "allowed_payment_method_types": ["card"],
        **changes,
    }
    return cast("SessionCreateParams", {name: value for name, value in params.items() if value is not None})


def subscription_params(**changes: Any) -> SessionCreateParams:
    """Return the parameters of a session for a subscription of 9.99 EUR a month, with changes."""
    price = {**ONE_CV, "unit_amount": 999, "recurring": {"interval": "month"}, "product_data": {"name": "Premium"}}
    subscription: dict[str, Any] = {
        "mode": "subscription",
        "line_items": [{"price_data": price, "quantity": 1}],
        "payment_intent_data": None,
        "customer_creation": None,
        "subscription_data": {"metadata": {"user_id": "7"}},
        **changes,
    }
    return payment_params(**subscription)


ONE_CV = {
    "currency": "eur",
    "unit_amount": 499,
    "product_data": {"name": "One CV"},
    "tax_behavior": "inclusive",
}


def wait_until(condition: Callable[[], Any]) -> None:
    """Wait until `condition()` is true. Raises AssertionError after TIMEOUT seconds."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("the condition did not become true")
        time.sleep(0.01)


def listen() -> socket.socket:
    """Create a listening socket on a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


@contextmanager
def running(settings: Settings, receiver: Receiver) -> Iterator[SandboxClient]:
    """Run a sandbox on a free port with these settings and the receiver as its webhook endpoint."""
    receiver_listener, listener = listen(), listen()
    settings = replace(
        settings,
        public_url=url_of(listener),
        webhook_url=f"{url_of(receiver_listener)}/webhook/",
    )
    servers = [ServerThread(receiver_listener, receiver.application()), ServerThread(listener, create_app(settings))]
    client = SandboxClient(settings, receiver)
    try:
        yield client
    finally:
        client.browser.close()
        for server in servers:
            server.request_stop()
        for server in servers:
            server.stop()


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
