"""The control API: POST /sandbox/<name> simulates customers, banks, network faults and the passage of time.

A JSON request gets a JSON response. A form (the dashboard's buttons) is redirected to the dashboard.
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

from cv_stripe_sandbox.actions import checkout, customers, discounts, disputes, payments, subscriptions, time_travel
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.pages.form import read_form
from cv_stripe_sandbox.sandbox import Sandbox
from cv_stripe_sandbox.shapes import Json
from cv_stripe_sandbox.webhook_sender import WebhookSender

_DAY = 86400
_DEFAULT_LIMIT = 1000

_random = random.SystemRandom()


class ControlApi:
    """The routes under /sandbox/."""

    def __init__(self, sandbox: Sandbox, sender: WebhookSender) -> None:
        self._sandbox = sandbox
        self._sender = sender

    def routes(self) -> list[Route]:
        """Return one route for each control, and routes to read the state of the sandbox."""
        return [
            Route("/sandbox/deliveries", self.list_deliveries),
            Route("/sandbox/knobs", self.list_controls),
            Route("/sandbox/send", self.send, methods=["POST"]),
            Route("/sandbox/reset", self.reset, methods=["POST"]),
            *(Route(f"/sandbox/{name}", self._endpoint(act), methods=["POST"]) for name, act in CONTROLS.items()),
        ]

    async def list_deliveries(self, request: Request) -> Response:
        """List deliveries, oldest first: `state` filters, `limit` and `after` (an id) select a page."""
        query = dict(request.query_params)
        limit, after = (
            int(_number(query, name, default)) for name, default in (("limit", _DEFAULT_LIMIT), ("after", 0))
        )
        with self._sandbox.view() as context:
            rows = context.deliveries.list_page(query.get("state"), after=after, limit=limit)
            types = {row.event: context.objects.get(row.event, "event")["type"] for row in rows}
        return JSONResponse([{**asdict(row), "type": types[row.event]} for row in rows])

    async def list_controls(self, _request: Request) -> Response:
        """Return the current values of the controls."""
        with self._sandbox.view() as context:
            return JSONResponse(_serialize_controls(context))

    async def send(self, request: Request) -> Response:
        """Attempt the deliveries of an event now, whatever their state, and answer with the results."""
        arguments = await read_arguments(request)
        event = _text(arguments, "event")
        with self._sandbox.view() as context:
            context.objects.get(event, "event")
            deliveries = context.deliveries.list_by_event(event)
        for delivery in deliveries:
            await self._sender.send_now(delivery)
        with self._sandbox.view() as context:
            sent = [asdict(delivery) for delivery in context.deliveries.list_by_event(event)]
        return _respond(request, {"event": event, "deliveries": sent})

    async def reset(self, request: Request) -> Response:
        """Delete all objects, events and controls, except the webhook endpoint of the environment."""
        await read_arguments(request)
        self._sandbox.reset()
        return _respond(request, {"reset": True})

    def _endpoint(self, act: Callable[[Context, Json], Json]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            arguments = await read_arguments(request)
            with self._sandbox.change() as context:
                done = act(context, arguments)
            return _respond(request, done)

        return endpoint


async def read_arguments(request: Request) -> Json:
    """Return the arguments of a control: a JSON object, or a form."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return dict(await read_form(request))
    try:
        arguments = json.loads(await request.body())
    except ValueError:
        raise StripeError("The body is not JSON.") from None
    if not isinstance(arguments, dict):
        raise StripeError("The body must be a JSON object.")
    return arguments


def _respond(request: Request, done: Json) -> Response:
    if request.headers.get("content-type", "").startswith("application/json"):
        return JSONResponse(done)
    name = request.url.path.removeprefix("/sandbox/").replace("-", " ")
    return RedirectResponse(f"/?{urlencode({'done': name})}", 303)


def _delivery(context: Context, arguments: Json) -> Json:
    """Change the delivery of webhooks. `drop` is a list of event types, or one string separated by spaces."""
    readers: dict[str, Callable[[str], Any]] = {
        "hold": lambda name: _flag(arguments, name),
        "duplicates": lambda name: int(_number(arguments, name)),
        "delay": lambda name: _number(arguments, name),
        "shuffle": lambda name: _number(arguments, name),
        "drop": lambda name: arguments[name].split() if isinstance(arguments[name], str) else arguments[name],
    }
    changes = {name: readers[name](name) if name in readers else arguments[name] for name in arguments}
    return asdict(context.controls.set_delivery(changes))


def _release(context: Context, arguments: Json) -> Json:
    """Release the held deliveries. `shuffle` spreads them randomly over that many seconds."""
    held = context.deliveries.list_page("held")
    spread = _number(arguments, "shuffle", 0)
    for delivery in held:
        context.deliveries.release(delivery.id, context.now + _random.uniform(0, spread))
    return {"released": len(held)}


def _fault(context: Context, arguments: Json) -> Json:
    return {"faults": [asdict(fault) for fault in context.controls.add_fault(arguments)]}


def _clear_faults(context: Context, _arguments: Json) -> Json:
    context.controls.clear_faults()
    return {"faults": []}


def _dunning(context: Context, arguments: Json) -> Json:
    context.controls.set_dunning(_text(arguments, "outcome"))
    return _serialize_controls(context)


def _card(context: Context, arguments: Json) -> Json:
    customer = context.objects.get(_text(arguments, "customer"), "customer")
    method = customers.attach_card(context, customer, customers.card_by_number(arguments.get("card")))
    for subscription in context.objects.select("subscription", {"customer": customer["id"]}):
        if subscription["status"] not in subscriptions.ENDED:
            context.update(subscription, {"default_payment_method": method["id"]}, event=subscriptions.UPDATED)
    return method


def _shift(context: Context, arguments: Json) -> Json:
    seconds = _number(arguments, "seconds", 0) + _number(arguments, "days", 0) * _DAY
    return time_travel.shift(context, _text(arguments, "id"), int(seconds))


def _settle(context: Context, arguments: Json) -> Json:
    return checkout.settle(context, _text(arguments, "session"), arrived=_flag(arguments, "arrived"))


def _refund(context: Context, arguments: Json) -> Json:
    amount = {"amount": int(_number(arguments, "amount"))} if "amount" in arguments else {}
    return payments.refund(context, {"charge": _text(arguments, "charge"), **amount})


def _dispute(context: Context, arguments: Json) -> Json:
    return disputes.create(context, _text(arguments, "charge"), arguments.get("status", "needs_response"))


def _roll_secret(context: Context, arguments: Json) -> Json:
    """Create a new signing secret for an endpoint. With `keep`, the old one signs too, as at Stripe."""
    endpoint = context.objects.get(_text(arguments, "endpoint"), "webhook_endpoint")
    old = context.objects.get_private(endpoint["id"])["secrets"][:1] if _flag(arguments, "keep") else []
    secrets = [new_id("whsec_sandbox_"), *old]
    context.objects.set_private(endpoint["id"], {"secrets": secrets})
    return {"endpoint": endpoint["id"], "secrets": secrets}


def _serialize_controls(context: Context) -> Json:
    return {
        "delivery": asdict(context.controls.delivery()),
        "faults": [asdict(fault) for fault in context.controls.faults()],
        "dunning": context.controls.dunning(),
    }


def _text(arguments: Json, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise StripeError(f"`{name}` is required.", param=name)
    return value


def _number(arguments: Json, name: str, default: float | None = None) -> float:
    value: Any = arguments.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise StripeError(f"`{name}` must be a number.", param=name) from None


def _flag(arguments: Json, name: str) -> bool:
    return arguments.get(name) in {True, "true", "on", "1"}


CONTROLS: dict[str, Callable[[Context, Json], Json]] = {
    "delivery": _delivery,
    "release": _release,
    "fault": _fault,
    "clear-faults": _clear_faults,
    "dunning": _dunning,
    "card": _card,
    "shift": _shift,
    "renew": lambda context, arguments: time_travel.renew_now(context, _text(arguments, "subscription")),
    "retry": lambda context, arguments: time_travel.retry_now(context, _text(arguments, "subscription")),
    "end": lambda context, arguments: time_travel.end_now(context, _text(arguments, "subscription")),
    "cancel": lambda context, arguments: subscriptions.cancel(context, _text(arguments, "subscription")),
    "expire": lambda context, arguments: time_travel.expire_now(context, _text(arguments, "session")),
    "settle": _settle,
    "discount": lambda context, arguments: discounts.attach_to_customer(
        context, _text(arguments, "customer"), _text(arguments, "coupon")
    ),
    "refund": _refund,
    "fail-refund": lambda context, arguments: payments.fail_refund(context, _text(arguments, "refund")),
    "dispute": _dispute,
    "move-dispute": lambda context, arguments: disputes.update_status(
        context, _text(arguments, "dispute"), _text(arguments, "status")
    ),
    "roll-secret": _roll_secret,
}
