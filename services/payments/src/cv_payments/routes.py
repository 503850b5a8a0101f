"""The HTTP door of payments: read the request, call one action, shape the answer."""

from datetime import UTC, datetime
from typing import Annotated

from cv_common.app import get_caller, get_context
from cv_common.drf.body import read_body, read_data
from cv_common.drf.openapi import NOBODY, openapi_extra, read_examples
from cv_common.kernel.errors import PayloadTooLarge
from cv_common.kernel.identity import SESSION_START_HEADER
from cv_common.kernel.responses import JSONResponse, no_content
from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from cv_payments.actions import checkouts, portal, purchases, sessions, webhooks
from cv_payments.domain.events import KINDS, LONGEST_ID
from cv_payments.schemas import (
    Address,
    CheckoutBody,
    CheckoutShown,
    ClaimBody,
    MergeBody,
    PaymentShown,
    PortalBody,
    SubscriptionShown,
    WebhookReceived,
    present_checkout,
    present_payment,
    present_subscription,
)

router = APIRouter(prefix="/api/payments", tags=["payments"])
internal = APIRouter(prefix="/internal", include_in_schema=False)

_EXAMPLES = read_examples("cv_payments")
_EVENTS = f"""Called by Stripe alone, which signs what it sends. Acted on are:

{"".join(f"- `{event_type}`{chr(10)}" for event_type in KINDS)}
Any other event is answered with success, and nothing follows. An event that comes twice counts once."""

MAX_WEBHOOK_BYTES = 1024 * 1024


@router.post(
    "/create-checkout/",
    response_model=Address,
    openapi_extra=openapi_extra(CheckoutBody, answered=("Set-Cookie",), examples=_EXAMPLES["create_checkout"]),
    summary="Where to pay for one resume, or for a subscription, with or without an account",
)
async def create_checkout(request: Request) -> Response:
    begun = await checkouts.begin_checkout(get_context(request), get_caller(request), await read_data(request))
    headers = {SESSION_START_HEADER: begun.started_session} if begun.started_session else None
    return JSONResponse({"url": begun.url}, headers=headers)


@router.post(
    "/webhook/",
    response_model=WebhookReceived,
    openapi_extra=openapi_extra(sent=("Stripe-Signature",), raw=True, security=NOBODY, examples=_EXAMPLES["webhook"]),
    summary="Stripe tells what happened",
    description=_EVENTS,
)
async def webhook(request: Request) -> Response:
    raw = await _limited_body(request)
    await webhooks.receive_event(get_context(request), raw, request.headers.get("stripe-signature"))
    return JSONResponse({"status": "success"})


async def _limited_body(request: Request) -> bytes:
    """The body to the byte, as the signature covers it. Raises PayloadTooLarge before reading more than is taken."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_WEBHOOK_BYTES:
            raise PayloadTooLarge
    return bytes(raw)


@router.get(
    "/",
    response_model=list[PaymentShown],
    openapi_extra=openapi_extra(answered=("Set-Cookie",), examples=_EXAMPLES["list_payments"]),
    summary="My payments, newest first",
    description="A checkout is listed as soon as it is paid, and as pending while it can still be paid. One that was "
    "abandoned is no payment. Amounts are what was paid, after discounts: `0.00` is possible.",
)
async def list_payments(request: Request) -> Response:
    mine = await purchases.list_payments(get_context(request), get_caller(request))
    return JSONResponse([present_payment(payment) for payment in mine])


@router.get(
    "/subscription/",
    response_model=SubscriptionShown,
    openapi_extra=openapi_extra(answered=("Set-Cookie",), examples=_EXAMPLES["find_subscription"]),
    summary="My subscription",
)
async def find_subscription(request: Request) -> Response:
    standing = await purchases.find_subscription(get_context(request), get_caller(request))
    return JSONResponse(present_subscription(standing, datetime.now(UTC)))


@router.get(
    "/checkout/{session_id}/",
    response_model=CheckoutShown,
    openapi_extra=openapi_extra(answered=("Set-Cookie",), examples=_EXAMPLES["find_checkout"]),
    summary="Has my payment arrived?",
    description="To be polled every 2 to 3 seconds when the buyer returns. While the status is `pending`, the "
    "service asks Stripe itself. `failed` also means that the page has expired.",
)
async def find_checkout(request: Request, session_id: Annotated[str, Path(max_length=LONGEST_ID)]) -> Response:
    checkout, status = await purchases.find_checkout(get_context(request), get_caller(request), session_id)
    return JSONResponse(present_checkout(checkout, status))


@router.post(
    "/portal/",
    response_model=Address,
    openapi_extra=openapi_extra(PortalBody, answered=("Set-Cookie",), examples=_EXAMPLES["open_portal"]),
    summary="Where to change plan or card, to cancel, and to find invoices",
)
async def open_portal(request: Request) -> Response:
    url = await portal.open_portal(get_context(request), get_caller(request), await read_data(request))
    return JSONResponse({"url": url})


@internal.post("/sessions/{session_id}/claim/", status_code=204)
async def claim_session(request: Request, session_id: Annotated[str, Path(max_length=64)]) -> Response:
    body = await read_body(request, ClaimBody)
    await sessions.claim_session(get_context(request), session_id, body.user_id)
    return no_content()


@internal.post("/sessions/{session_id}/merge/", status_code=204)
async def merge_session(request: Request, session_id: Annotated[str, Path(max_length=64)]) -> Response:
    body = await read_body(request, MergeBody)
    await sessions.merge_session(get_context(request), session_id, body.into_session_id)
    return no_content()
