"""The HTTP API of payments: each route parses the request, calls one action and serializes the result."""

from datetime import UTC, datetime
from typing import Annotated

from cv_common.app import CallerDep, provide_context
from cv_common.drf.body import BodyReader, ParsedBody, PartialBodyReader
from cv_common.drf.openapi import NO_IDENTITY, openapi_extra, read_examples
from cv_common.drf.sessions import ClaimBody, MergeBody, SessionId
from cv_common.kernel.errors import PayloadTooLarge
from cv_common.kernel.identity import SESSION_START_HEADER
from cv_common.kernel.responses import JSONResponse, no_content
from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from cv_payments import schemas
from cv_payments.actions import checkouts, portal, purchases, sessions, webhooks
from cv_payments.actions.context import Context
from cv_payments.domain.events import MAX_ID_LENGTH, OBJECT_KINDS
from cv_payments.schemas import CheckoutBody, PortalBody

router = APIRouter(prefix="/api/payments", tags=["payments"])
internal = APIRouter(prefix="/internal", include_in_schema=False)

MAX_WEBHOOK_BYTES = 1024 * 1024

_EXAMPLES = read_examples("cv_payments")
_EVENTS = f"""Only Stripe calls this endpoint. Stripe signs the body. These events have an effect:

{"".join(f"- `{event_type}`{chr(10)}" for event_type in OBJECT_KINDS)}
The answer to any other event is success, and the event has no effect. An event that comes twice counts once."""

ContextDep = Annotated[Context, Depends(provide_context)]


async def read_webhook_body(request: Request) -> bytes:
    """Dependency: the unchanged body, as the signature covers it. Raises PayloadTooLarge beyond 1 MiB."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_WEBHOOK_BYTES:
            raise PayloadTooLarge
    return bytes(raw)


@router.post(
    "/create-checkout/",
    response_model=schemas.Url,
    openapi_extra=openapi_extra(response_headers=("Set-Cookie",), examples=_EXAMPLES["create_checkout"]),
    summary="Start a checkout for one resume or a subscription, with or without an account",
)
async def create_checkout(
    context: ContextDep,
    caller: CallerDep,
    body: Annotated[ParsedBody[CheckoutBody], Depends(PartialBodyReader(CheckoutBody))],
) -> Response:
    started = await checkouts.start_checkout(context, caller, body)
    headers = {SESSION_START_HEADER: started.started_session} if started.started_session else None
    return JSONResponse({"url": started.url}, headers=headers)


@router.post(
    "/webhook/",
    response_model=schemas.WebhookReceived,
    openapi_extra=openapi_extra(
        parameters=("Stripe-Signature",), raw=True, security=NO_IDENTITY, examples=_EXAMPLES["webhook"]
    ),
    summary="Receive an event from Stripe",
    description=_EVENTS,
)
async def webhook(
    request: Request, context: ContextDep, body: Annotated[bytes, Depends(read_webhook_body)]
) -> Response:
    await webhooks.receive_webhook(context, body, request.headers.get("Stripe-Signature"))
    return JSONResponse({"status": "success"})


@router.get(
    "/",
    response_model=list[schemas.Payment],
    openapi_extra=openapi_extra(response_headers=("Set-Cookie",), examples=_EXAMPLES["list_payments"]),
    summary="List my payments, newest first",
    description="A checkout is listed as soon as it is paid, and as pending while it can still be paid. An abandoned "
    "checkout is not listed. Amounts are what was paid, after discounts: `0.00` is possible.",
)
async def list_payments(context: ContextDep, caller: CallerDep) -> Response:
    payments = await purchases.list_payments(context, caller)
    return JSONResponse([schemas.serialize_payment(payment) for payment in payments])


@router.get(
    "/subscription/",
    response_model=schemas.SubscriptionSummary,
    openapi_extra=openapi_extra(response_headers=("Set-Cookie",), examples=_EXAMPLES["find_subscription"]),
    summary="Get my subscription",
)
async def find_subscription(context: ContextDep, caller: CallerDep) -> Response:
    summary = await purchases.get_subscription(context, caller)
    return JSONResponse(schemas.serialize_subscription(summary, datetime.now(UTC)))


@router.get(
    "/checkout/{session_id}/",
    response_model=schemas.Checkout,
    openapi_extra=openapi_extra(response_headers=("Set-Cookie",), examples=_EXAMPLES["find_checkout"]),
    summary="Get the status of a checkout",
    description="Poll this every 2 to 3 seconds when the buyer returns. While the status is `pending`, the service "
    "asks Stripe itself. `failed` also means that the page has expired.",
)
async def find_checkout(
    context: ContextDep, caller: CallerDep, session_id: Annotated[str, Path(max_length=MAX_ID_LENGTH)]
) -> Response:
    checkout, status = await purchases.get_checkout(context, caller, session_id)
    return JSONResponse(schemas.serialize_checkout(checkout, status))


@router.post(
    "/portal/",
    response_model=schemas.Url,
    openapi_extra=openapi_extra(response_headers=("Set-Cookie",), examples=_EXAMPLES["open_portal"]),
    summary="Open the billing portal: change plan or card, cancel, find invoices",
)
async def open_portal(
    context: ContextDep, caller: CallerDep, body: Annotated[PortalBody, Depends(BodyReader(PortalBody))]
) -> Response:
    return JSONResponse({"url": await portal.open_portal(context, caller, body.return_url)})


@internal.post("/sessions/{session_id}/claim/", status_code=204)
async def claim_session(
    context: ContextDep, session_id: SessionId, body: Annotated[ClaimBody, Depends(BodyReader(ClaimBody))]
) -> Response:
    await sessions.claim_session(context, session_id, body.user_id)
    return no_content()


@internal.post("/sessions/{session_id}/merge/", status_code=204)
async def merge_session(
    context: ContextDep, session_id: SessionId, body: Annotated[MergeBody, Depends(BodyReader(MergeBody))]
) -> Response:
    await sessions.merge_session(context, session_id, body.into_session_id)
    return no_content()
