"""One change of the stand-in's world: a transaction, the time, who asked, and the events it gives rise to."""

import copy
import random
import sqlite3
import time
from typing import Any

from cv_stripe_sandbox.objects import events
from cv_stripe_sandbox.settings import Settings
from cv_stripe_sandbox.shapes import Json
from cv_stripe_sandbox.store.deliveries import Deliveries
from cv_stripe_sandbox.store.knobs import DeliveryKnobs, Knobs
from cv_stripe_sandbox.store.objects import Objects
from cv_stripe_sandbox.store.replays import Replays

_dice = random.SystemRandom()


class Context:
    """What every action is given. Events and their deliveries commit with the objects they tell of."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        settings: Settings,
        *,
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        self.objects = Objects(connection)
        self.deliveries = Deliveries(connection)
        self.replays = Replays(connection)
        self.knobs = Knobs(connection)
        self.settings = settings
        self.now = int(time.time())
        self._request = {"id": request_id, "idempotency_key": idempotency_key}

    def create(self, body: Json, *, private: Json | None = None, event: str | None = None) -> Json:
        """Store a new object and, when named, emit the event that says so."""
        self.objects.add(body, private=private)
        if event is not None:
            self.emit(event, body)
        return body

    def update(self, body: Json, changes: Json, *, event: str | None = None) -> Json:
        """Apply changes to a stored object, and emit the event that tells of them, when named."""
        before = copy.deepcopy(body)
        body.update(changes)
        self.objects.save(body)
        if event is not None:
            self.emit(event, body, before=before if _tells_what_changed(event) else None)
        return body

    def emit(self, kind: str, about: Json, *, before: Json | None = None) -> Json:
        """Record an event and queue its delivery to every endpoint that listens to its type."""
        previous = None if before is None else events.previous_attributes(before, about)
        event = events.event(kind, copy.deepcopy(about), self.now, previous=previous, request=self._request)
        self.objects.add(event)
        knobs = self.knobs.delivery()
        for endpoint in self.objects.select("webhook_endpoint", {"status": "enabled"}):
            if any(_matches(kind, pattern) for pattern in endpoint["enabled_events"]):
                self._queue(event, endpoint["id"], knobs)
        return event

    def _queue(self, event: Json, endpoint: str, knobs: DeliveryKnobs) -> None:
        state = "held" if knobs.hold else "pending"
        if any(_matches(event["type"], pattern) for pattern in knobs.drop):
            state = "dropped"
        for _ in range(1 + knobs.duplicates):
            spread = _dice.uniform(0, knobs.shuffle)
            self.deliveries.add(event["id"], endpoint, state, time.time() + knobs.delay + spread)


def _tells_what_changed(event: str) -> bool:
    """Whether Stripe sends `previous_attributes` with it."""
    return event.endswith(".updated") or event == "charge.refunded"


def _matches(kind: str, pattern: str) -> bool:
    return kind.startswith(pattern[:-1]) if pattern.endswith("*") else kind == pattern


def public_event(context: Context, event: Json) -> Json:
    """The event with the number of endpoints that have not acknowledged it yet."""
    waiting = {
        delivery.endpoint for delivery in context.deliveries.of_event(event["id"]) if delivery.state != "delivered"
    }
    shown: dict[str, Any] = {**event, "pending_webhooks": len(waiting)}
    return shown
