"""For tests: a stand-in on a free port, Stripe's client for it, a browser, and a receiver of its webhooks.

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
SECRET = "whsec_sandbox"  # noqa: S105 - opens nothing
PATIENCE = 15.0

stripe.enable_telemetry = False


class Served:
    """An application served on a free port by a thread of this process."""

    def __init__(self, listener: socket.socket, application: Starlette) -> None:
        config = uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        until(lambda: self._server.started)

    def stop(self) -> None:
        """Stop serving, and wait for it."""
        self.begin_to_stop()
        self._thread.join(PATIENCE)

    def begin_to_stop(self) -> None:
        """Stop serving, soon."""
        self._server.should_exit = True


class Receiver:
    """A shop's webhook: verifies with the SDK, remembers, and answers what the test wants."""

    def __init__(self) -> None:
        self.events: list[stripe.Event] = []
        self.signatures: list[str] = []
        self.secrets = [SECRET]
        self.answers: list[int] = []
        self.answering = threading.Event()
        self.answering.set()

    def application(self) -> Starlette:
        """The receiver as a web application: POST /webhook/."""
        return Starlette(routes=[Route("/webhook/", self._receive, methods=["POST"])])

    def types(self) -> list[str]:
        """Types of the events so far, in the order they came."""
        return [event.type for event in list(self.events)]

    def of(self, kind: str) -> list[stripe.Event]:
        """Events of one type so far."""
        return [event for event in list(self.events) if event.type == kind]

    def wait_for(self, kind: str, count: int = 1) -> stripe.Event:
        """The count-th event of a type, as soon as it has come."""
        until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    async def _receive(self, request: Request) -> Response:
        payload, header = await request.body(), request.headers["stripe-signature"]
        status = self.answers.pop(0) if self.answers else 200
        for secret in self.secrets:
            event = stripe.Webhook.construct_event(payload, header, secret)
        self.signatures.append(header)
        self.events.append(event)
        return JSONResponse({}, status)


class Shop:
    """Everything a test needs: the stand-in's address, Stripe's client, the browser, the shop's receiver."""

    def __init__(self, settings: Settings, receiver: Receiver) -> None:
        self.settings = settings
        self.receiver = receiver
        self.url = settings.public_url
        self.client = stripe.StripeClient(API_KEY, base_addresses={"api": self.url})
        self.browser = httpx.Client(base_url=self.url, timeout=30)

    def checkout(self, **changes: Any) -> stripe.checkout.Session:
        """A session for one payment of 4.99 EUR, or what the changes make of it."""
        return self.client.v1.checkout.sessions.create(single(**changes))

    def pay(self, session: stripe.checkout.Session) -> httpx.Response:
        """Press Pay."""
        return self.browser.post(f"{session.url}/pay")

    def subscribe(self, **changes: Any) -> stripe.Subscription:
        """Buy a monthly subscription, or what the changes make of it."""
        session = self.client.v1.checkout.sessions.create(monthly(**changes))
        self.pay(session)
        paid = self.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
        if not isinstance(paid.subscription, stripe.Subscription):
            raise TypeError(f"session {session.id} was not paid")
        return paid.subscription

    def control(self, knob: str, /, **body: Any) -> Any:
        """Turn a knob: POST /sandbox/<knob>."""
        answer = self.browser.post(f"/sandbox/{knob}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


def single(**changes: Any) -> SessionCreateParams:
    """Parameters of a session for one payment of 4.99 EUR, with these changes; None takes a parameter out."""
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


def monthly(**changes: Any) -> SessionCreateParams:
    """Parameters of a session for a subscription of 9.99 EUR a month, with these changes."""
    price = {**ONE_CV, "unit_amount": 999, "recurring": {"interval": "month"}, "product_data": {"name": "Premium"}}
    subscription: dict[str, Any] = {
        "mode": "subscription",
        "line_items": [{"price_data": price, "quantity": 1}],
        "payment_intent_data": None,
        "customer_creation": None,
        "subscription_data": {"metadata": {"user_id": "7"}},
        **changes,
    }
    return single(**subscription)


ONE_CV = {
    "currency": "eur",
    "unit_amount": 499,
    "product_data": {"name": "One CV"},
    "tax_behavior": "inclusive",
}


def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition, for as long as a slow machine may need."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain")
        time.sleep(0.01)


def listen() -> socket.socket:
    """A listening socket on a free port of this machine."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


@contextmanager
def running(settings: Settings, receiver: Receiver) -> Iterator[Shop]:
    """A stand-in with these settings, on a free port, whose webhooks go to the receiver."""
    shop_listener, listener = listen(), listen()
    settings = replace(
        settings,
        public_url=address(listener),
        webhook_url=f"{address(shop_listener)}/webhook/",
    )
    servers = [Served(shop_listener, receiver.application()), Served(listener, create_app(settings))]
    shop = Shop(settings, receiver)
    try:
        yield shop
    finally:
        shop.browser.close()
        for server in servers:
            server.begin_to_stop()
        for server in servers:
            server.stop()


def address(listener: socket.socket) -> str:
    """The URL of a listening socket."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
