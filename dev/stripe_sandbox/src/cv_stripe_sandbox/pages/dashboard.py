"""The dashboard: the newest objects, with buttons for the control API."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cv_stripe_sandbox.actions import disputes, subscriptions
from cv_stripe_sandbox.cards import CARDS
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.pages.render import render_page
from cv_stripe_sandbox.sandbox import Sandbox
from cv_stripe_sandbox.shapes import Json

_SHOWN = 25


class Dashboard:
    """The page at `/`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        """Return the route of the page. Its buttons post to /sandbox/."""
        return [Route("/", self.show)]

    async def show(self, request: Request) -> Response:
        """Show the newest objects of each kind."""
        with self._sandbox.view() as context:
            return render_page(
                "dashboard.html",
                done=request.query_params.get("done"),
                sessions=_newest(context, "checkout.session"),
                charges=[_charge(context, charged) for charged in _newest(context, "charge")],
                subscriptions=[_subscription(context, owned) for owned in _newest(context, "subscription")],
                events=[_event(context, event) for event in _newest(context, "event")],
                endpoints=context.objects.select("webhook_endpoint"),
                controls=context.controls.delivery(),
                dunning=context.controls.dunning(),
                cards=CARDS.values(),
                dispute_ends=disputes.CLOSED,
            )


def _newest(context: Context, kind: str) -> list[Json]:
    found, _ = context.objects.page(kind, {}, {"limit": _SHOWN})
    return found


def _charge(context: Context, charged: Json) -> Json:
    return {
        **charged,
        "refundable": charged["paid"]
        and not charged["refunded"]
        and not disputes.blocks_refund(context, charged["id"]),
        "refunds": context.objects.select("refund", {"charge": charged["id"]}),
        "disputes": context.objects.select("dispute", {"charge": charged["id"]}),
    }


def _subscription(context: Context, subscription: Json) -> Json:
    customer = context.objects.find(subscription["customer"]) or {}
    card = subscriptions.card_of(context, subscription) if "email" in customer else None
    return {
        **subscription,
        "email": customer.get("email"),
        "card": card and card["card"]["last4"],
        "price": subscription["items"]["data"][0]["price"],
        "period_end": subscriptions.period_end(subscription),
        "ended": subscription["status"] in subscriptions.ENDED,
    }


def _event(context: Context, event: Json) -> Json:
    return {
        "id": event["id"],
        "type": event["type"],
        "created": event["created"],
        "about": event["data"]["object"]["id"],
        "deliveries": context.deliveries.list_by_event(event["id"]),
    }
