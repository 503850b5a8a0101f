"""The system under test: the real service, the Stripe sandbox, and a listener on NATS."""

import itertools
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
from cv_common.messaging.broker import Broker, BrokerUnavailable
from cv_common.messaging.events import Event, ResumePaymentChanged, SubscriptionChanged
from cv_testing.identity import IdentityKeys
from cv_testing.serving import eventually
from psycopg.rows import dict_row
from stripe import Charge, PaymentIntent, StripeClient, Subscription, WebhookSignature
from stripe.checkout import Session

API_KEY = "sk_test_of_the_tests"
SECRETS = ("whsec_of_the_tests", "whsec_before_rotation")
ORIGIN = "http://localhost:3000"
SUCCESS, CANCEL = f"{ORIGIN}/payment/success", f"{ORIGIN}/payment/cancel"

_numbers = itertools.count(1)


@dataclass
class System:
    """One running system for all tests. Each test uses new resumes and owners."""

    payments: httpx.AsyncClient
    sandbox: httpx.AsyncClient
    stripe: StripeClient
    keys: IdentityKeys
    database_url: str
    resumes_url: str
    brokers: dict[str, Broker]
    resumes: set[int]
    published: list[Event]
    is_controlled: bool = False
    """Whether the sandbox has other controls than its defaults."""
    _connection: psycopg.Connection[dict[str, Any]] | None = field(default=None, init=False)

    def new_id(self) -> int:
        """Return a new id."""
        return next(_numbers)

    def new_resume(self) -> int:
        """Return the id of a new resume."""
        number = self.new_id()
        self.resumes.add(number)
        return number

    def new_user(self) -> dict[str, str]:
        """Request headers of a new account."""
        return self.keys.user("payments", self.new_id())

    def as_session(self, session_id: str | None = None) -> dict[str, str]:
        """Request headers of an anonymous session."""
        return self.keys.session("payments", session_id or secrets.token_urlsafe(24))

    def as_stranger(self) -> dict[str, str]:
        """Request headers of a visitor without a session."""
        return self.keys.stranger("payments")

    def as_service(self, name: str) -> dict[str, str]:
        """Request headers of another service."""
        return self.keys.service("payments", name)

    async def post(self, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        return await self.payments.post(path, json=body, headers=headers)

    async def checkout(
        self, headers: dict[str, str], to: httpx.AsyncClient | None = None, **body: Any
    ) -> httpx.Response:
        """Request a checkout with the default return URLs, unless others are given."""
        wanted = {"success_url": SUCCESS, "cancel_url": CANCEL, **body}
        return await (to or self.payments).post("/api/payments/create-checkout/", json=wanted, headers=headers)

    async def checkout_page(self, headers: dict[str, str], **body: Any) -> str:
        """Return the URL of a new checkout page."""
        answer = await self.checkout(headers, **body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["url"])

    async def single_page(self, headers: dict[str, str], resume_id: int) -> str:
        """Return the URL of a checkout page for a resume."""
        return await self.checkout_page(headers, payment_type="single", resume_id=resume_id)

    async def single_page_eventually(self, headers: dict[str, str], resume_id: int) -> str:
        """Return the same, retried while Stripe still processes an earlier request."""

        async def is_open() -> bool:
            answer = await self.checkout(headers, payment_type="single", resume_id=resume_id)
            assert answer.status_code in (200, 503), answer.text
            return answer.status_code == 200

        await eventually(is_open)
        return await self.single_page(headers, resume_id)

    async def claim(self, session_id: str, user_id: int) -> None:
        """Give a session's purchases to an account, as auth does at login."""
        path = f"/internal/sessions/{session_id}/claim/"
        answer = await self.post(path, {"user_id": user_id}, self.as_service("auth"))
        assert answer.status_code == 204, answer.text

    async def press(self, page: str, button: str = "pay") -> httpx.Response:
        """Press a button on a page of Stripe."""
        answer = await self.sandbox.post(f"{page}/{button}")
        assert answer.status_code in (200, 303, 402), answer.text
        return answer

    async def buy(self, headers: dict[str, str], resume_id: int) -> Session:
        """Pay for a resume. Returns the session."""
        page = await self.single_page(headers, resume_id)
        await self.press(page)
        return self.session_at(page)

    async def subscribe(self, headers: dict[str, str], payment_type: str = "monthly") -> Subscription:
        """Buy a subscription. Returns it as it is at Stripe."""
        page = await self.checkout_page(headers, payment_type=payment_type)
        await self.press(page)
        subscription = self.session_at(page).subscription
        assert isinstance(subscription, Subscription)
        return subscription

    async def get(self, path: str, headers: dict[str, str]) -> Any:
        """GET a path below /api/payments/; None for 404."""
        answer = await self.payments.get(f"/api/payments/{path}", headers=headers)
        assert answer.status_code in (200, 404), answer.text
        return answer.json() if answer.status_code == 200 else None

    async def subscription_status(self, headers: dict[str, str]) -> str | None:
        """Return the status of a subscription; None for 404."""
        shown = await self.get("subscription/", headers)
        return shown and str(shown["status"])

    def session_at(self, page: str) -> Session:
        """Return the session of a page's URL, or with an id."""
        session_id = page.split("?")[0].split("#")[0].rstrip("/").rpartition("/")[2]
        return self.stripe.v1.checkout.sessions.retrieve(
            session_id, {"expand": ["payment_intent.latest_charge", "subscription"]}
        )

    def price_id(self, lookup_key: str) -> str:
        """Return the id of a price by its lookup key."""
        return self.stripe.v1.prices.list({"lookup_keys": [lookup_key]}).data[0].id

    def list_sessions(self) -> list[Session]:
        """Return the newest 100 sessions at Stripe."""
        return self.stripe.v1.checkout.sessions.list({"limit": 100}).data

    def charge_at(self, page: str) -> Charge:
        """Return the charge of a page."""
        intent = self.session_at(page).payment_intent
        assert isinstance(intent, PaymentIntent)
        assert isinstance(intent.latest_charge, Charge)
        return intent.latest_charge

    def refunded_amount(self, page: str) -> int:
        """Return the refunded amount of a page, in cents."""
        return self.charge_at(page).amount_refunded

    async def publish(self, event: Event) -> None:
        """Publish an event as the service that owns it."""
        broker = self.brokers[event.stream().lower()]

        async def published() -> bool:
            try:
                await broker.publish(event.name, event.model_dump_json().encode(), str(event.id))
            except BrokerUnavailable:
                return False
            return True

        await eventually(published)

    async def control(self, knob: str, **wanted: Any) -> Any:
        """Set a control of the sandbox."""
        self.is_controlled = True
        answer = await self.sandbox.post(f"/sandbox/{knob}", json=wanted)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def all_webhooks_processed(self) -> bool:
        """Return whether no webhook is pending and every stored event was processed, or has failed at least once."""
        on_their_way = await self.sandbox.get("/sandbox/deliveries", params={"state": "pending"})
        unprocessed_events = "select id from stripe_events where outcome is null and attempts < 2"
        return not on_their_way.json() and not self.row(unprocessed_events)

    def published_paid(self, resume_id: int) -> list[bool]:
        """Return what was published about a resume, in order."""
        mine = [
            each for each in self.published if isinstance(each, ResumePaymentChanged) and each.resume_id == resume_id
        ]
        return [each.paid for each in sorted(mine, key=lambda each: each.revision)]

    def summary(self, *, user_id: int | None = None, session_id: str | None = None) -> SubscriptionChanged | None:
        """Return the latest event about an owner's subscriptions."""
        mine = [
            each
            for each in self.published
            if isinstance(each, SubscriptionChanged) and (each.user_id, each.session_id) == (user_id, session_id)
        ]
        return max(mine, key=lambda each: each.revision, default=None)

    def stored_event(self, event_id: str) -> dict[str, Any]:
        """Return the row of an event; `{}` when there is none."""
        return self.row("select * from stripe_events where id = %s", event_id)

    def payment_of(self, page: str) -> dict[str, Any]:
        """Return the payment of a page for one resume."""
        joined = "select payments.* from payments join checkouts on checkout_id = checkouts.id"
        return self.row(f"{joined} where url = %s", page)

    def row(self, query: str, *parameters: object) -> dict[str, Any]:
        """Return the first row of a query in the service's database; `{}` when there is none."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.database_url, autocommit=True, row_factory=dict_row)
        return self._connection.execute(query.encode(), parameters).fetchone() or {}

    def close(self) -> None:
        """Close the connection to the service's database."""
        if self._connection is not None:
            self._connection.close()

    async def reset_controls(self) -> None:
        """Give the sandbox its default controls again."""
        if self.is_controlled:
            await self.control("clear-faults")
            await self.control("delivery", hold=False, duplicates=0, delay=0, shuffle=0, drop=[])
            await self.control("release")
            self.is_controlled = False

    async def deliver(
        self, body: dict[str, Any] | bytes, to: httpx.AsyncClient | None = None, **signing: Any
    ) -> httpx.Response:
        """Send a signed webhook."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.deliver_raw(raw, signed(raw, **signing), to)

    async def deliver_raw(
        self, raw: bytes, signature: str | None, to: httpx.AsyncClient | None = None
    ) -> httpx.Response:
        """Send a webhook with any signature, or none."""
        headers = [(name.encode(), value.encode()) for name, value in self.as_stranger().items()]
        if signature is not None:
            headers.append((b"Stripe-Signature", signature.encode()))
        return await (to or self.payments).post("/api/payments/webhook/", content=raw, headers=headers)

    def signed_webhook(self, raw: bytes) -> tuple[bytes, dict[str, str]]:
        """Return the body and the headers of a signed webhook."""
        return raw, {**self.as_stranger(), "Stripe-Signature": signed(raw)}


def signed(raw: bytes, secret: str = SECRETS[0], age: float = 0) -> str:
    """Return a signature header of `age` seconds ago."""
    return str(WebhookSignature.generate_signature_header(raw.decode(), secret, int(time.time() - age)))


def event(kind: str, object_id: Any, **changes: Any) -> dict[str, Any]:
    """Return an event about an object."""
    return {
        "id": f"evt_{secrets.token_hex(12)}",
        "object": "event",
        "type": kind,
        "livemode": False,
        "created": int(time.time()),
        "data": {"object": {"id": object_id}},
        **changes,
    }
