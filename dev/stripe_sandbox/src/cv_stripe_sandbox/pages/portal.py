"""The page of the billing portal."""

from collections.abc import Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cv_stripe_sandbox.actions import customers, portal, subscriptions
from cv_stripe_sandbox.cards import CARDS
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.pages.form import Form, read_form
from cv_stripe_sandbox.pages.render import render_page
from cv_stripe_sandbox.sandbox import Sandbox
from cv_stripe_sandbox.shapes import Json

PATH = "/p/session/{token}"


class PortalPage:
    """Shows a customer's subscriptions, card and invoices, with buttons to change them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        """Return the routes of the page and its buttons."""
        return [
            Route(PATH, self.show),
            *(Route(f"{PATH}/{name}", self._endpoint(act), methods=["POST"]) for name, act in _BUTTONS.items()),
        ]

    async def show(self, request: Request) -> Response:
        """Show the home page, or the step of the session's flow. `?home` leaves the flow."""
        token = request.path_params["token"]
        with self._sandbox.view() as context:
            deep = "home" not in request.query_params
            return _page(context, token, deep=deep, done=request.query_params.get("done"))

    def _endpoint(self, act: Callable[[Context, Json, Form], str]) -> Callable[..., object]:
        async def endpoint(request: Request) -> Response:
            form, token = await read_form(request), request.path_params["token"]
            try:
                with self._sandbox.change() as context:
                    session = portal.get_session(context, token)
                    done = act(context, session, form)
            except StripeError as error:
                with self._sandbox.view() as context:
                    return _page(context, token, deep="deep" in form, problem=error.message, status=error.status)
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
    session = portal.get_session(context, token)
    customer = context.objects.get(session["customer"], "customer")
    allowed = portal.features(context, session)
    offered = portal.prices(allowed["subscription_update"])
    return render_page(
        "portal.html",
        status,
        session=session,
        flow=session["flow"] if deep else None,
        action=f"/p/session/{token}",
        customer=customer,
        card=customers.card_of(context, customer),
        cards=CARDS.values(),
        allowed=allowed,
        subscriptions=[
            _serialize_subscription(context, owned) for owned in portal.list_subscriptions(context, session)
        ],
        prices=[_serialize_price(context, context.objects.get(price, "price")) for price in offered],
        invoices=context.objects.select("invoice", {"customer": customer["id"]})[::-1],
        done=done,
        problem=problem,
    )


def _serialize_subscription(context: Context, subscription: Json) -> Json:
    item = subscription["items"]["data"][0]
    return {
        **subscription,
        "price": _serialize_price(context, item["price"]),
        "period_end": subscriptions.period_end(subscription),
    }


def _serialize_price(context: Context, price: Json) -> Json:
    return {**price, "name": context.objects.get(price["product"], "product")["name"]}


def _switch(context: Context, session: Json, form: Form) -> str:
    return portal.switch(context, session, form.get("subscription", ""), form.get("price", ""))


_BUTTONS: dict[str, Callable[[Context, Json, Form], str]] = {
    "cancel": lambda context, session, form: portal.cancel(context, session, form.get("subscription", "")),
    "keep": lambda context, session, form: portal.keep(context, session, form.get("subscription", "")),
    "switch": _switch,
    "card": lambda context, session, form: portal.change_card(
        context, session, customers.card_by_number(form.get("card"))
    ),
    "pay": lambda context, session, form: portal.pay_invoice(context, session, form.get("invoice", "")),
}
