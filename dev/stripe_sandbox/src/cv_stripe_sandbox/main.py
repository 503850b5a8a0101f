"""Composition root: the sandbox as one web application."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cv_stripe_sandbox.actions import billing_cycle
from cv_stripe_sandbox.control_api import ControlApi
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.pages.checkout import CheckoutPage
from cv_stripe_sandbox.pages.dashboard import Dashboard
from cv_stripe_sandbox.pages.documents import Documents
from cv_stripe_sandbox.pages.portal import PortalPage
from cv_stripe_sandbox.pages.render import render_page
from cv_stripe_sandbox.routes import billing, catalog, checkout, customers, discounts, events, payments, portal
from cv_stripe_sandbox.routes.api_handler import ApiHandler, ApiResponse, create_response
from cv_stripe_sandbox.sandbox import Sandbox
from cv_stripe_sandbox.settings import Settings
from cv_stripe_sandbox.webhook_sender import WebhookSender

_CYCLE_SECONDS = 1.0

log = logging.getLogger(__name__)

OPERATIONS = [
    *checkout.OPERATIONS,
    *catalog.OPERATIONS,
    *customers.OPERATIONS,
    *discounts.OPERATIONS,
    *payments.OPERATIONS,
    *billing.OPERATIONS,
    *portal.OPERATIONS,
    *events.OPERATIONS,
]


def app() -> Starlette:
    """Create the application from the environment."""
    return create_app(Settings.from_environment())


def create_app(settings: Settings) -> Starlette:
    """Create the application. The database is opened now; background tasks run from the startup event on."""
    sandbox = Sandbox(settings)
    sender = WebhookSender(sandbox)
    api = ApiHandler(sandbox)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        sandbox.after_change = sender.wake
        tasks = [asyncio.create_task(sender.run()), asyncio.create_task(_run_billing_cycle(sandbox))]
        for task in tasks:
            task.add_done_callback(_log_failure)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        sandbox.close()

    web = Starlette(
        routes=[
            Route("/healthz", _healthz),
            *Dashboard(sandbox).routes(),
            *CheckoutPage(sandbox, sender).routes(),
            *PortalPage(sandbox).routes(),
            *Documents(sandbox).routes(),
            *ControlApi(sandbox, sender).routes(),
            *(api.route(operation) for operation in OPERATIONS),
        ],
        exception_handlers={StripeError: _handle_stripe_error, HTTPException: _handle_http_error},
        lifespan=lifespan,
    )
    # Stripe answers 404 to a trailing slash, and a redirect would lose the body of a POST.
    web.router.redirect_slashes = False
    return web


async def _run_billing_cycle(sandbox: Sandbox) -> None:
    """Run what is due every second: renewals, retries, cancellations and expirations."""
    while True:
        try:
            with sandbox.change() as context:
                billing_cycle.run_due(context)
        except StripeError as error:
            log.error("the billing cycle failed: %s", error.message)
        await asyncio.sleep(_CYCLE_SECONDS)


def _log_failure(task: asyncio.Task[None]) -> None:
    """Log the exception of a background task that has ended."""
    if not task.cancelled() and (error := task.exception()):
        log.critical("a background task has failed", exc_info=error)


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _handle_stripe_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, StripeError):
        raise error
    if _wants_json(request):
        return JSONResponse(error.body(), error.status)
    return render_page(
        "message.html", error.status, title="That did not work", text=error.message, link="/", link_text="Dashboard"
    )


async def _handle_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = f"Unrecognized request URL ({request.method}: {request.url.path}): this sandbox does not support it."
    if not _wants_json(request):
        return render_page(
            "message.html", error.status_code, title="Not found", text=message, link="/", link_text="Dashboard"
        )
    body = StripeError(message, status=error.status_code).body()
    return create_response(ApiResponse(error.status_code, json.dumps(body)), new_id("req_"))


def _wants_json(request: Request) -> bool:
    return request.url.path.startswith(("/v1/", "/v2/", "/sandbox/"))
