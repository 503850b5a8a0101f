"""Events and webhook endpoints."""

from collections.abc import Mapping
from typing import Any

from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.shapes import API_VERSION, Json


def event(kind: str, source: Json, now: int, *, previous: Json | None, request: Mapping[str, Any]) -> Json:
    """Return an event with a snapshot of the object, and its previous attributes after an update."""
    data: Json = {"object": source}
    if previous is not None:
        data["previous_attributes"] = previous
    return {
        "id": new_id("evt_1"),
        "object": "event",
        "api_version": API_VERSION,
        "created": now,
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": dict(request),
        "type": kind,
    }


def previous_attributes(before: Json, after: Json) -> Json:
    """Return the previous values of changed attributes: of nested objects the changed keys, of lists the whole list."""
    previous: Json = {}
    for name, old in before.items():
        new = after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            old = previous_attributes(old, new)
        previous[name] = old
    return previous | {name: None for name in after if name not in before}


def webhook_endpoint(params: Json, now: int) -> Json:
    """Return a webhook endpoint. Only the response that creates it shows the secret."""
    return {
        "id": new_id("we_1"),
        "object": "webhook_endpoint",
        "api_version": params.get("api_version"),
        "application": None,
        "created": now,
        "description": params.get("description") or None,
        "enabled_events": params["enabled_events"],
        "livemode": False,
        "metadata": params.get("metadata") or {},
        "status": "enabled",
        "url": params["url"],
    }
