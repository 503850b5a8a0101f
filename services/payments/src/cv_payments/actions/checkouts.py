"""Start a checkout: validate the request, store the checkout, then open the page at Stripe."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_urlsafe
from uuid import uuid4

from cv_common.drf.body import ParsedBody
from cv_common.kernel.database import Transaction
from cv_common.kernel.errors import ServiceUnavailable, UserNotFound, ValidationFailed
from cv_common.kernel.identity import Caller

from cv_payments.actions.checkout_pages import close_page, open_page
from cv_payments.actions.context import Context
from cv_payments.actions.portal import portal_for_subscriber
from cv_payments.domain.checkouts import Checkout, CheckoutRequest, lease_until, new_checkout
from cv_payments.domain.owners import Owner
from cv_payments.domain.return_urls import ORIGIN_NOT_ALLOWED, is_allowed
from cv_payments.domain.subscriptions import Subscription
from cv_payments.repository import checkouts, owners, payments, resumes, subscriptions
from cv_payments.schemas import CheckoutBody

_MAX_WAIT = 10.0
"""Seconds that a buyer waits for other requests that open a page for the same purchase."""
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class StartedCheckout:
    """The page to send the buyer to, and the id of the session that was started for the buyer, if any."""

    url: str
    started_session: str | None


async def start_checkout(context: Context, caller: Caller, body: ParsedBody[CheckoutBody]) -> StartedCheckout:
    """Find or open a page where the buyer can pay, or the portal for a subscriber.

    Raises ValidationFailed, UserNotFound (the account was erased), ServiceUnavailable and StripeRequestError (a bug).
    """
    request = await _validate(context, body)
    session_id = caller.session_id or token_urlsafe(24)
    while True:
        owner, found = await _wait_for_checkout(context, caller.user_id, session_id, request)
        if isinstance(found, Subscription):
            url = await portal_for_subscriber(context, found, request)
        else:
            url = found.url or await open_page(context, found)
        if url is not None:
            return StartedCheckout(url, owner.session_id if owner.session_id != caller.session_id else None)


async def _validate(context: Context, body: ParsedBody[CheckoutBody]) -> CheckoutRequest:
    """Return the valid request. Raises ValidationFailed with all field errors, and ServiceUnavailable."""
    urls = {
        "success_url": body.get(lambda fields: fields.success_url),
        "cancel_url": body.get(lambda fields: fields.cancel_url),
    }
    errors = {
        name: [ORIGIN_NOT_ALLOWED]
        for name, url in urls.items()
        if url is not None and not is_allowed(url, context.settings.checkout_allowed_origins)
    }
    payment_type = body.get(lambda fields: fields.payment_type)
    if "resume_id" not in body.errors and payment_type not in ("monthly", "yearly"):
        resume_id = body.get(lambda fields: fields.resume_id)
        errors |= await _resume_errors(context, resume_id, required=payment_type == "single")
    fields = body.validated(errors)
    return CheckoutRequest(
        payment_type=fields.payment_type,
        resume_id=fields.resume_id if fields.payment_type == "single" else None,
        success_url=fields.success_url,
        cancel_url=fields.cancel_url,
        price_id=context.catalog.price_id(fields.payment_type),
    )


async def _resume_errors(context: Context, resume_id: int | None, required: bool) -> dict[str, list[str]]:
    if resume_id is None:
        return {"resume_id": ["This field is required."]} if required else {}
    if await context.resumes.exists(resume_id):
        return {}
    return {"resume_id": [f"Resume with id {resume_id} does not exist."]}


async def _wait_for_checkout(
    context: Context, user_id: int | None, session_id: str, request: CheckoutRequest
) -> tuple[Owner, Checkout | Subscription]:
    """Return the only unfinished checkout for this request, or the buyer's live subscription.

    The caller of this function opens the page of a checkout without one. Raises ServiceUnavailable when other requests
    take too long.
    """
    try:
        async with asyncio.timeout(_MAX_WAIT):
            while True:
                owner, found, stale = await _find_or_add(context, user_id, session_id, request)
                if found is not None:
                    return owner, found
                for checkout in stale:
                    await close_page(context, checkout)
                if not stale:
                    await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise ServiceUnavailable from None


async def _find_or_add(
    context: Context, user_id: int | None, session_id: str, request: CheckoutRequest
) -> tuple[Owner, Checkout | Subscription | None, list[Checkout]]:
    """Return the owner and what serves the request.

    None while another page for the same purchase is being opened, or while the checkouts in the list must be closed.
    """
    async with context.database.transaction() as tx:
        owner = await _lock_owner(tx, user_id, session_id)
        await _reject_paid(tx, request)
        if request.resume_id is None:
            for subscription in await subscriptions.list_of_owner(tx, owner.id):
                if subscription.is_live:
                    return owner, subscription, []
        now = datetime.now(UTC)
        unfinished = await checkouts.list_unfinished(tx, owner.id)
        same_purchase = [each for each in unfinished if each.resume_id == request.resume_id]
        if any(each.is_being_opened(now) for each in same_purchase):
            return owner, None, []
        usable = next((each for each in reversed(same_purchase) if each.can_serve(request, now)), None)
        stale = [each for each in same_purchase if each is not usable]
        if stale:
            return owner, None, stale
        if usable is None:
            return owner, await _add(context, tx, owner, request, now), []
        if usable.url is None:
            await checkouts.set_lease(tx, usable.id, lease_until(now))
        return owner, usable, []


async def _lock_owner(tx: Transaction, user_id: int | None, session_id: str) -> Owner:
    """Return the buyer; a new session for an ended one. Raises UserNotFound for an erased account."""
    if user_id is not None:
        owner = await owners.lock_user(tx, user_id)
        if owner.ended_at is not None:
            raise UserNotFound
        return owner
    owner = await owners.lock_session(tx, session_id)
    return owner if owner.ended_at is None else await owners.lock_session(tx, token_urlsafe(24))


async def _reject_paid(tx: Transaction, request: CheckoutRequest) -> None:
    """Raise ValidationFailed for a deleted or paid resume."""
    resume = await resumes.find(tx, request.resume_id) if request.resume_id is not None else None
    if resume is not None and resume.deleted_at is not None:
        raise ValidationFailed.on("resume_id", f"Resume with id {resume.id} does not exist.")
    if resume is not None and resume.paid:
        raise ValidationFailed.on("resume_id", f"Resume with id {resume.id} is already paid.")


async def _add(context: Context, tx: Transaction, owner: Owner, request: CheckoutRequest, now: datetime) -> Checkout:
    promotion_codes = context.settings.checkout_promotion_codes
    checkout = new_checkout(uuid4(), owner.id, request, owner.customer_id, now, promotion_codes=promotion_codes)
    await checkouts.add(tx, checkout)
    if request.resume_id is not None:
        await payments.add_single(tx, checkout)
    return checkout
