"""Composition root: the stand-in as one web application."""

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
from cv_stripe_sandbox.control import Control
from cv_stripe_sandbox.delivery import Courier
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.pages.checkout import CheckoutPage
from cv_stripe_sandbox.pages.dashboard import Dashboard
from cv_stripe_sandbox.pages.documents import Documents
from cv_stripe_sandbox.pages.portal import PortalPage
from cv_stripe_sandbox.pages.render import page
from cv_stripe_sandbox.routes import billing, catalog, checkout, customers, discounts, events, payments, portal
from cv_stripe_sandbox.routes.door import Answer, Door, respond
from cv_stripe_sandbox.sandbox import Sandbox
from cv_stripe_sandbox.settings import Settings

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
    """The application as the environment describes it."""
    return create_app(Settings.from_environment())


def create_app(settings: Settings) -> Starlette:
    """The application for these settings; its file is open from here on, its clock runs from start-up."""
    sandbox = Sandbox(settings)
    courier = Courier(sandbox)
    door = Door(sandbox)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        sandbox.after_change = courier.wake
        tasks = [asyncio.create_task(courier.run()), asyncio.create_task(_keep_time(sandbox))]
        for task in tasks:
            task.add_done_callback(_report)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        sandbox.close()

    web = Starlette(
        routes=[
            Route("/healthz", _healthy),
            *Dashboard(sandbox).routes(),
            *CheckoutPage(sandbox, courier).routes(),
            *PortalPage(sandbox).routes(),
            *Documents(sandbox).routes(),
            *Control(sandbox, courier).routes(),
            *(door.route(operation) for operation in OPERATIONS),
        ],
        exception_handlers={StripeError: _refuse, HTTPException: _unknown},
        lifespan=lifespan,
    )
    # Stripe answers 404 to a slash too many, and a redirect would lose a form.
    web.router.redirect_slashes = False
    return web


async def _keep_time(sandbox: Sandbox) -> None:
    """Renewals, retries, endings and expiries, as their time comes."""
    while True:
        try:
            with sandbox.change() as context:
                billing_cycle.run_due(context)
        except StripeError as refusal:
            log.error("what was due could not be done: %s", refusal.message)
        await asyncio.sleep(_CYCLE_SECONDS)


def _report(task: asyncio.Task[None]) -> None:
    """A background task that ends by itself has failed: say so, or nobody would know."""
    if not task.cancelled() and (problem := task.exception()):
        log.critical("a background task has died", exc_info=problem)


async def _healthy(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _refuse(request: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, StripeError):
        raise refusal
    if _speaks_json(request):
        return JSONResponse(refusal.body(), refusal.status)
    return page(
        "message.html", refusal.status, title="That did not work", text=refusal.message, link="/", link_text="Dashboard"
    )


async def _unknown(request: Request, problem: Exception) -> Response:
    if not isinstance(problem, HTTPException):
        raise problem
    message = f"Unrecognized request URL ({request.method}: {request.url.path}): this stand-in does not model it."
    if not _speaks_json(request):
        return page(
            "message.html", problem.status_code, title="Not found", text=message, link="/", link_text="Dashboard"
        )
    body = StripeError(message, status=problem.status_code).body()
    return respond(Answer(problem.status_code, json.dumps(body)), new_id("req_"))


def _speaks_json(request: Request) -> bool:
    return request.url.path.startswith(("/v1/", "/v2/", "/sandbox/"))
