"""The context of one transaction: its repositories, its time, the request behind it, and the events it emits."""

import copy
import random
import sqlite3
import time
from typing import Any

from cv_stripe_sandbox.objects import events
from cv_stripe_sandbox.repository.controls import Controls, DeliveryControls
from cv_stripe_sandbox.repository.deliveries import Deliveries
from cv_stripe_sandbox.repository.objects import Objects
from cv_stripe_sandbox.repository.replays import Replays
from cv_stripe_sandbox.settings import Settings
from cv_stripe_sandbox.shapes import Json

_random = random.SystemRandom()


class Context:
    """The first argument of every action. Events and their deliveries are committed with the objects that changed."""

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
        self.controls = Controls(connection)
        self.settings = settings
        self.now = int(time.time())
        self._request = {"id": request_id, "idempotency_key": idempotency_key}

    def create(self, body: Json, *, private: Json | None = None, event: str | None = None) -> Json:
        """Store a new object, and emit `event` if given."""
        self.objects.add(body, private=private)
        if event is not None:
            self.emit(event, body)
        return body

    def update(self, body: Json, changes: Json, *, event: str | None = None) -> Json:
        """Apply changes to a stored object, and emit `event` if given."""
        before = copy.deepcopy(body)
        body.update(changes)
        self.objects.save(body)
        if event is not None:
            self.emit(event, body, before=before if _has_previous_attributes(event) else None)
        return body

    def emit(self, kind: str, source: Json, *, before: Json | None = None) -> Json:
        """Record an event, and queue its delivery to every endpoint that is subscribed to its type."""
        previous = None if before is None else events.previous_attributes(before, source)
        event = events.event(kind, copy.deepcopy(source), self.now, previous=previous, request=self._request)
        self.objects.add(event)
        controls = self.controls.delivery()
        for endpoint in self.objects.select("webhook_endpoint", {"status": "enabled"}):
            if any(_matches(kind, pattern) for pattern in endpoint["enabled_events"]):
                self._queue(event, endpoint["id"], controls)
        return event

    def _queue(self, event: Json, endpoint: str, controls: DeliveryControls) -> None:
        state = "held" if controls.hold else "pending"
        if any(_matches(event["type"], pattern) for pattern in controls.drop):
            state = "dropped"
        for _ in range(1 + controls.duplicates):
            spread = _random.uniform(0, controls.shuffle)
            self.deliveries.add(event["id"], endpoint, state, time.time() + controls.delay + spread)


def _has_previous_attributes(event: str) -> bool:
    """Return whether Stripe sends `previous_attributes` with this type of event."""
    return event.endswith(".updated") or event == "charge.refunded"


def _matches(kind: str, pattern: str) -> bool:
    return kind.startswith(pattern[:-1]) if pattern.endswith("*") else kind == pattern


def serialize_event(context: Context, event: Json) -> Json:
    """Return the JSON of an event, with the number of endpoints that have not acknowledged it."""
    waiting = {
        delivery.endpoint for delivery in context.deliveries.list_by_event(event["id"]) if delivery.state != "delivered"
    }
    shown: dict[str, Any] = {**event, "pending_webhooks": len(waiting)}
    return shown
