"""The knobs: POST /sandbox/<name> makes things happen that Stripe's customers, banks and calendars would.

JSON in gets JSON out; a form (the dashboard's buttons) gets the dashboard again.
"""

import json
import random
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from cv_stripe_sandbox.actions import checkout, customers, discounts, disputes, payments, subscriptions, travel
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.delivery import Courier
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.pages.form import posted
from cv_stripe_sandbox.sandbox import Sandbox
from cv_stripe_sandbox.shapes import Json

_DAY = 86400
_LISTED = 1000

_dice = random.SystemRandom()


class Control:
    """The routes under /sandbox/."""

    def __init__(self, sandbox: Sandbox, courier: Courier) -> None:
        self._sandbox = sandbox
        self._courier = courier

    def routes(self) -> list[Route]:
        """Every knob, and what can be read about the stand-in."""
        return [
            Route("/sandbox/deliveries", self.deliveries),
            Route("/sandbox/knobs", self.knobs),
            Route("/sandbox/send", self.send, methods=["POST"]),
            Route("/sandbox/reset", self.reset, methods=["POST"]),
            *(Route(f"/sandbox/{name}", self._perform(act), methods=["POST"]) for name, act in KNOBS.items()),
        ]

    async def deliveries(self, request: Request) -> Response:
        """Deliveries, oldest first; `state=held` only those in one state, `limit` and `after` (an id) for a page."""
        asked = dict(request.query_params)
        limit, after = (int(_number(asked, name, default)) for name, default in (("limit", _LISTED), ("after", 0)))
        with self._sandbox.view() as context:
            rows = context.deliveries.listed(asked.get("state"), after=after, limit=limit)
            types = {row.event: context.objects.get(row.event, "event")["type"] for row in rows}
        return JSONResponse([{**asdict(row), "type": types[row.event]} for row in rows])

    async def knobs(self, _request: Request) -> Response:
        """How everything is turned at the moment."""
        with self._sandbox.view() as context:
            return JSONResponse(_knobs(context))

    async def send(self, request: Request) -> Response:
        """One attempt to deliver an event, now, whatever has become of it: answers how it went."""
        wanted = await arguments(request)
        event = _text(wanted, "event")
        with self._sandbox.view() as context:
            context.objects.get(event, "event")
            deliveries = context.deliveries.of_event(event)
        for delivery in deliveries:
            await self._courier.send_now(delivery)
        with self._sandbox.view() as context:
            sent = [asdict(delivery) for delivery in context.deliveries.of_event(event)]
        return _answer(request, {"event": event, "deliveries": sent})

    async def reset(self, request: Request) -> Response:
        """Forget every object, event and knob; only the endpoint of the environment stays."""
        await arguments(request)
        self._sandbox.reset()
        return _answer(request, {"reset": True})

    def _perform(self, act: Callable[[Context, Json], Json]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            wanted = await arguments(request)
            with self._sandbox.change() as context:
                done = act(context, wanted)
            return _answer(request, done)

        return endpoint


async def arguments(request: Request) -> Json:
    """The arguments of a knob: a JSON object, or a form."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return dict(await posted(request))
    try:
        wanted = json.loads(await request.body())
    except ValueError:
        raise StripeError("The body is not JSON.") from None
    if not isinstance(wanted, dict):
        raise StripeError("The body must be a JSON object.")
    return wanted


def _answer(request: Request, done: Json) -> Response:
    if request.headers.get("content-type", "").startswith("application/json"):
        return JSONResponse(done)
    told = request.url.path.removeprefix("/sandbox/").replace("-", " ")
    return RedirectResponse(f"/?{urlencode({'done': told})}", 303)


def _delivery(context: Context, wanted: Json) -> Json:
    """Turn delivery knobs; `drop` is a list of event types, or one text separated by spaces."""
    readers: dict[str, Callable[[str], Any]] = {
        "hold": lambda name: _flag(wanted, name),
        "duplicates": lambda name: int(_number(wanted, name)),
        "delay": lambda name: _number(wanted, name),
        "shuffle": lambda name: _number(wanted, name),
        "drop": lambda name: wanted[name].split() if isinstance(wanted[name], str) else wanted[name],
    }
    changes = {name: readers[name](name) if name in readers else wanted[name] for name in wanted}
    return asdict(context.knobs.set_delivery(changes))


def _release(context: Context, wanted: Json) -> Json:
    """Let held deliveries go, all at once; `shuffle` sends them in a random order, over that many seconds."""
    held = context.deliveries.listed("held")
    spread = _number(wanted, "shuffle", 0)
    for delivery in held:
        context.deliveries.release(delivery.id, context.now + _dice.uniform(0, spread))
    return {"released": len(held)}


def _fault(context: Context, wanted: Json) -> Json:
    return {"faults": [asdict(fault) for fault in context.knobs.add_fault(wanted)]}


def _clear_faults(context: Context, _wanted: Json) -> Json:
    context.knobs.clear_faults()
    return {"faults": []}


def _dunning(context: Context, wanted: Json) -> Json:
    context.knobs.set_dunning(_text(wanted, "outcome"))
    return _knobs(context)


def _card(context: Context, wanted: Json) -> Json:
    customer = context.objects.get(_text(wanted, "customer"), "customer")
    method = customers.attach_card(context, customer, customers.card_by_number(wanted.get("card")))
    for subscription in context.objects.select("subscription", {"customer": customer["id"]}):
        if subscription["status"] not in subscriptions.ENDED:
            context.update(subscription, {"default_payment_method": method["id"]}, event=subscriptions.UPDATED)
    return method


def _shift(context: Context, wanted: Json) -> Json:
    seconds = _number(wanted, "seconds", 0) + _number(wanted, "days", 0) * _DAY
    return travel.shift(context, _text(wanted, "id"), int(seconds))


def _settle(context: Context, wanted: Json) -> Json:
    return checkout.settle(context, _text(wanted, "session"), arrived=_flag(wanted, "arrived"))


def _refund(context: Context, wanted: Json) -> Json:
    amount = {"amount": int(_number(wanted, "amount"))} if "amount" in wanted else {}
    return payments.refund(context, {"charge": _text(wanted, "charge"), **amount})


def _dispute(context: Context, wanted: Json) -> Json:
    return disputes.create(context, _text(wanted, "charge"), wanted.get("status", "needs_response"))


def _roll_secret(context: Context, wanted: Json) -> Json:
    """A new secret for an endpoint; with `keep`, the old one signs too, as in the day after a rotation."""
    endpoint = context.objects.get(_text(wanted, "endpoint"), "webhook_endpoint")
    old = context.objects.private(endpoint["id"])["secrets"][:1] if _flag(wanted, "keep") else []
    secrets = [new_id("whsec_sandbox_"), *old]
    context.objects.remember(endpoint["id"], {"secrets": secrets})
    return {"endpoint": endpoint["id"], "secrets": secrets}


def _knobs(context: Context) -> Json:
    return {
        "delivery": asdict(context.knobs.delivery()),
        "faults": [asdict(fault) for fault in context.knobs.faults()],
        "dunning": context.knobs.dunning(),
    }


def _text(wanted: Json, name: str) -> str:
    value = wanted.get(name)
    if not isinstance(value, str) or not value:
        raise StripeError(f"`{name}` is required.", param=name)
    return value


def _number(wanted: Json, name: str, default: float | None = None) -> float:
    value: Any = wanted.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise StripeError(f"`{name}` must be a number.", param=name) from None


def _flag(wanted: Json, name: str) -> bool:
    return wanted.get(name) in {True, "true", "on", "1"}


KNOBS: dict[str, Callable[[Context, Json], Json]] = {
    "delivery": _delivery,
    "release": _release,
    "fault": _fault,
    "clear-faults": _clear_faults,
    "dunning": _dunning,
    "card": _card,
    "shift": _shift,
    "renew": lambda context, wanted: travel.to_renewal(context, _text(wanted, "subscription")),
    "retry": lambda context, wanted: travel.to_retry(context, _text(wanted, "subscription")),
    "end": lambda context, wanted: travel.to_cancellation(context, _text(wanted, "subscription")),
    "cancel": lambda context, wanted: subscriptions.cancel(context, _text(wanted, "subscription")),
    "expire": lambda context, wanted: travel.to_expiry(context, _text(wanted, "session")),
    "settle": _settle,
    "discount": lambda context, wanted: discounts.attach_to_customer(
        context, _text(wanted, "customer"), _text(wanted, "coupon")
    ),
    "refund": _refund,
    "fail-refund": lambda context, wanted: payments.fail_refund(context, _text(wanted, "refund")),
    "dispute": _dispute,
    "move-dispute": lambda context, wanted: disputes.move(context, _text(wanted, "dispute"), _text(wanted, "status")),
    "roll-secret": _roll_secret,
}
