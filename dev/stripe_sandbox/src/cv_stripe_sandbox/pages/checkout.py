"""The hosted checkout page."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cv_stripe_sandbox.actions import checkout, sessions
from cv_stripe_sandbox.actions.checkout import Buyer, CompletedSession
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.pages.form import read_form
from cv_stripe_sandbox.pages.render import render_page
from cv_stripe_sandbox.sandbox import Sandbox
from cv_stripe_sandbox.shapes import Json
from cv_stripe_sandbox.webhook_sender import WebhookSender

PATH = "/c/pay/{session_id}"


class CheckoutPage:
    """Shows a session, with a button for each outcome."""

    def __init__(self, sandbox: Sandbox, sender: WebhookSender) -> None:
        self._sandbox = sandbox
        self._sender = sender

    def routes(self) -> list[Route]:
        """Return the routes of the page and its buttons."""
        return [
            Route(PATH, self.show),
            Route(f"{PATH}/pay", self.pay, methods=["POST"]),
            Route(f"{PATH}/pay-later", self.pay_later, methods=["POST"]),
            Route(f"{PATH}/decline", self.decline, methods=["POST"]),
            Route(f"{PATH}/fail-authentication", self.fail_authentication, methods=["POST"]),
            Route(f"{PATH}/promotion-code", self.apply_code, methods=["POST"]),
            Route(f"{PATH}/cancel", self.cancel, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Show an open session, or a message for any other."""
        with self._sandbox.change() as context:
            sessions.expire_due(context)
            return _page(context, request.path_params["session_id"])

    async def pay(self, request: Request) -> Response:
        """Pay with a card that succeeds, and return to the shop after its webhook has answered."""
        buyer = await _buyer(request)
        with self._sandbox.change() as context:
            completed = checkout.pay(context, request.path_params["session_id"], buyer)
        return await self._return(completed)

    async def pay_later(self, request: Request) -> Response:
        """Start a delayed payment, and return to the shop."""
        buyer = await _buyer(request)
        with self._sandbox.change() as context:
            completed = checkout.pay_later(context, request.path_params["session_id"], buyer)
        return await self._return(completed)

    async def decline(self, request: Request) -> Response:
        """Decline the card, and show the page with the reason."""
        buyer, session_id = await _buyer(request), request.path_params["session_id"]
        with self._sandbox.change() as context:
            return _page(context, session_id, checkout.decline(context, session_id, buyer), buyer)

    async def fail_authentication(self, request: Request) -> Response:
        """Fail 3-D Secure, and show the page with the reason."""
        buyer, session_id = await _buyer(request), request.path_params["session_id"]
        with self._sandbox.change() as context:
            return _page(context, session_id, checkout.fail_authentication(context, session_id, buyer), buyer)

    async def apply_code(self, request: Request) -> Response:
        """Apply a promotion code, and show the page with the new total or the error."""
        form, session_id = await read_form(request), request.path_params["session_id"]
        problem = None
        try:
            with self._sandbox.change() as context:
                sessions.apply_promotion_code(context, session_id, form.get("code", ""))
        except StripeError as error:
            problem = error.message
        with self._sandbox.view() as context:
            return _page(context, session_id, problem)

    async def cancel(self, request: Request) -> Response:
        """Return to the shop without paying. The session stays open."""
        await read_form(request)
        with self._sandbox.view() as context:
            session = context.objects.get(request.path_params["session_id"], "checkout.session")
        if session["cancel_url"] is None:
            raise StripeError("This session has no cancel_url.")
        return RedirectResponse(session["cancel_url"], 303)

    async def _return(self, completed: CompletedSession) -> Response:
        """Redirect to the success URL after the shop's webhook has answered, or after SANDBOX_CHECKOUT_WAIT seconds."""
        await self._sender.wait_until_acknowledged(completed.event, self._sandbox.settings.checkout_wait)
        return RedirectResponse(_success_url(completed.session), 303)


async def _buyer(request: Request) -> Buyer:
    form = await read_form(request)
    return Buyer(email=form.get("email"), name=form.get("name"))


def _success_url(session: Json) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _page(context: Context, session_id: str, problem: str | None = None, typed: Buyer | None = None) -> Response:
    session = context.objects.get(session_id, "checkout.session")
    if session["status"] != "open":
        return _closed(session)
    lines = sessions.line_items(context, session_id)
    recurring = lines[0]["price"]["recurring"]
    customer = context.objects.find(session["customer"]) if session["customer"] else None
    email = session["customer_email"] or (customer or {}).get("email")
    return render_page(
        "checkout.html",
        402 if problem else 200,
        session=session,
        lines=lines,
        interval=recurring and recurring["interval"],
        email=email or (typed and typed.email),
        known_email=bool(email),
        name=typed and typed.name,
        problem=problem,
        action=f"/c/pay/{session_id}",
    )


def _closed(session: Json) -> Response:
    titles = {"complete": "All done here", "expired": "This checkout has expired"}
    texts = {
        "complete": "This payment has been made. You can close this page.",
        "expired": "Nothing was charged. Go back to the shop and start again.",
    }
    return render_page(
        "message.html",
        410 if session["status"] == "expired" else 200,
        title=titles[session["status"]],
        text=texts[session["status"]],
        link=session["cancel_url"] if session["status"] == "expired" else _success_url(session),
        link_text="Back to the shop",
    )
