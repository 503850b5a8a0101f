"""The billing portal's page: what a customer sees and does after a portal session's URL."""

from collections.abc import Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cv_stripe_sandbox.actions import customers, portal, subscriptions
from cv_stripe_sandbox.cards import CARDS
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.pages.form import Form, posted
from cv_stripe_sandbox.pages.render import page
from cv_stripe_sandbox.sandbox import Sandbox
from cv_stripe_sandbox.shapes import Json

PATH = "/p/session/{token}"


class PortalPage:
    """Shows a customer's subscriptions, card and invoices, and does what the customer chooses."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        """The page and its buttons."""
        return [
            Route(PATH, self.show),
            *(Route(f"{PATH}/{name}", self._perform(act), methods=["POST"]) for name, act in _BUTTONS.items()),
        ]

    async def show(self, request: Request) -> Response:
        """The home page of the session, or the one step its flow is about; `?home` leaves the flow."""
        token = request.path_params["token"]
        with self._sandbox.view() as context:
            deep = "home" not in request.query_params
            return _page(context, token, deep=deep, done=request.query_params.get("done"))

    def _perform(self, act: Callable[[Context, Json, Form], str]) -> Callable[..., object]:
        async def endpoint(request: Request) -> Response:
            form, token = await posted(request), request.path_params["token"]
            try:
                with self._sandbox.change() as context:
                    session = portal.session_at(context, token)
                    done = act(context, session, form)
            except StripeError as refusal:
                with self._sandbox.view() as context:
                    return _page(context, token, deep="deep" in form, problem=refusal.message, status=refusal.status)
            after = session["flow"]["after_completion"] if session["flow"] and "deep" in form else None
            if after and after["type"] == "redirect":
                return RedirectResponse(after["redirect"]["return_url"], 303)
            return RedirectResponse(f"/p/session/{token}?{urlencode({'home': 1, 'done': done})}", 303)

        return endpoint


def _page(
    context: Context,
    token: str,
    *,
    deep: bool,
    done: str | None = None,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    session = portal.session_at(context, token)
    customer = context.objects.get(session["customer"], "customer")
    allowed = portal.features(context, session)
    offered = portal.prices(allowed["subscription_update"])
    return page(
        "portal.html",
        status,
        session=session,
        flow=session["flow"] if deep else None,
        action=f"/p/session/{token}",
        customer=customer,
        card=customers.card_of(context, customer),
        cards=CARDS.values(),
        allowed=allowed,
        subscriptions=[_shown(context, owned) for owned in portal.living_subscriptions(context, session)],
        prices=[_price(context, context.objects.get(price, "price")) for price in offered],
        invoices=context.objects.select("invoice", {"customer": customer["id"]})[::-1],
        done=done,
        problem=problem,
    )


def _shown(context: Context, subscription: Json) -> Json:
    item = subscription["items"]["data"][0]
    return {
        **subscription,
        "price": _price(context, item["price"]),
        "period_end": subscriptions.period_end(subscription),
    }


def _price(context: Context, price: Json) -> Json:
    return {**price, "name": context.objects.get(price["product"], "product")["name"]}


def _wanted_price(context: Context, session: Json, form: Form) -> str:
    return portal.switch(context, session, form.get("subscription", ""), form.get("price", ""))


_BUTTONS: dict[str, Callable[[Context, Json, Form], str]] = {
    "cancel": lambda context, session, form: portal.cancel(context, session, form.get("subscription", "")),
    "keep": lambda context, session, form: portal.keep(context, session, form.get("subscription", "")),
    "switch": _wanted_price,
    "card": lambda context, session, form: portal.change_card(
        context, session, customers.card_by_number(form.get("card"))
    ),
    "pay": lambda context, session, form: portal.pay_invoice(context, session, form.get("invoice", "")),
}
