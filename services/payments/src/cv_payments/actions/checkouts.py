"""Beginning a checkout: what is wished for, our own row first, then the page at Stripe."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any
from uuid import uuid4

from cv_common.drf.body import validate_partial
from cv_common.kernel.database import Transaction
from cv_common.kernel.errors import ServiceUnavailable, UserNotFound, ValidationFailed
from cv_common.kernel.identity import Caller

from cv_payments.actions.context import Context
from cv_payments.actions.pages import close_page, open_page
from cv_payments.actions.portal import NOT_ALLOWED, page_for_subscriber
from cv_payments.domain.checkouts import Checkout, Wish, begin, opening_until
from cv_payments.domain.return_urls import is_allowed
from cv_payments.domain.subscriptions import Subscription
from cv_payments.repository import checkouts, owners, payments, resumes, subscriptions
from cv_payments.repository.owners import Owner
from cv_payments.schemas import CheckoutBody

_PATIENCE = 10.0
"""Seconds that a buyer waits for what others, or their own other tabs, have begun for the same."""
_PAUSE = 0.05
"""Seconds between two looks at it."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the buyer, and the id of the session that was started for them, if one was."""

    url: str
    started_session: str | None


async def begin_checkout(context: Context, caller: Caller, data: Any) -> Begun:
    """Answer a buyer's wish with the address of a page to pay at.

    Raises ValidationFailed, UserNotFound (the account was erased), ServiceUnavailable (resumes or Stripe is down)
    and DetailError (Stripe refuses what we ask: a bug).
    """
    body = await _checked(context, data)
    wish = Wish(
        payment_type=body.payment_type,
        resume_id=body.resume_id if body.payment_type == "single" else None,
        success_url=body.success_url,
        cancel_url=body.cancel_url,
        price_id=context.catalogue.price_of(body.payment_type),
    )
    session_id = caller.session_id or token_urlsafe(24)
    while True:
        owner, found = await _attempt(context, caller.user_id, session_id, wish)
        started = owner.session_id if owner.session_id != caller.session_id else None
        if isinstance(found, Subscription):
            url = await page_for_subscriber(context, found, wish)
        else:
            url = found.url or await open_page(context, found)
        if url is not None:
            return Begun(url, started)


async def _checked(context: Context, data: Any) -> CheckoutBody:
    """The valid body; every field error at once."""
    body, errors = validate_partial(data, CheckoutBody)
    sent = body.sent()
    for name in ("success_url", "cancel_url"):
        if name in sent and not _may_return_to(context, sent[name]):
            errors[name] = [NOT_ALLOWED]
    payment_type = sent.get("payment_type")
    if "resume_id" not in errors and payment_type not in ("monthly", "yearly"):
        errors |= await _resume_errors(context, sent.get("resume_id"), required=payment_type == "single")
    if errors:
        raise ValidationFailed(errors)
    return body


def _may_return_to(context: Context, url: str) -> bool:
    return is_allowed(url, context.settings.checkout_allowed_origins)


async def _resume_errors(context: Context, resume_id: int | None, required: bool) -> dict[str, list[str]]:
    """What is wrong with a well-formed `resume_id`."""
    if resume_id is None:
        return {"resume_id": ["This field is required."]} if required else {}
    if await context.resumes.exists(resume_id):
        return {}
    return {"resume_id": [f"Resume with id {resume_id} does not exist."]}


async def _attempt(
    context: Context, user_id: int | None, session_id: str, wish: Wish
) -> tuple[Owner, Checkout | Subscription]:
    """The one attempt that may be paid for this wish: the unfinished one that serves it, else a new one.

    One without a page is ours to open. A live subscription is the answer to the wish for another: nobody shall pay
    for two. Raises ServiceUnavailable when others keep us waiting.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            while True:
                owner, found, stale = await _look(context, user_id, session_id, wish)
                if found is not None:
                    return owner, found
                for checkout in stale:
                    await close_page(context, checkout)
                if not stale:
                    await asyncio.sleep(_PAUSE)
    except TimeoutError:
        raise ServiceUnavailable from None


async def _look(
    context: Context, user_id: int | None, session_id: str, wish: Wish
) -> tuple[Owner, Checkout | Subscription | None, list[Checkout]]:
    """Who buys, and what serves the wish. None while another page for the same is being opened, or is to be closed."""
    async with context.database.transaction() as tx:
        owner = await _locked_owner(tx, user_id, session_id)
        await _refuse_paid(tx, wish)
        if wish.resume_id is None and (live := await _live_subscription(tx, owner)) is not None:
            return owner, live, []
        now = datetime.now(UTC)
        rivals = [each for each in await checkouts.unfinished(tx, owner.id) if each.resume_id == wish.resume_id]
        if any(each.is_being_opened(now) for each in rivals):
            return owner, None, []
        serving = next((each for each in reversed(rivals) if each.serves(wish, now)), None)
        stale = [each for each in rivals if each is not serving]
        if stale:
            return owner, None, stale
        if serving is not None and serving.url is None:
            await checkouts.lease(tx, serving.id, opening_until(now))
        promotion_codes = context.settings.checkout_promotion_codes
        return owner, serving or await _add(tx, owner, wish, now, promotion_codes), []


async def _locked_owner(tx: Transaction, user_id: int | None, session_id: str) -> Owner:
    """Who buys. A session that was claimed owns nothing more: its visitor gets a new one."""
    if user_id is not None:
        owner = await owners.lock_user(tx, user_id)
        if owner.ended_at is not None:
            raise UserNotFound
        return owner
    owner = await owners.lock_session(tx, session_id)
    return owner if owner.ended_at is None else await owners.lock_session(tx, token_urlsafe(24))


async def _refuse_paid(tx: Transaction, wish: Wish) -> None:
    resume = await resumes.get(tx, wish.resume_id) if wish.resume_id is not None else None
    if resume is not None and resume.deleted_at is not None:
        raise ValidationFailed.on("resume_id", f"Resume with id {resume.id} does not exist.")
    if resume is not None and resume.paid:
        raise ValidationFailed.on("resume_id", f"Resume with id {resume.id} is already paid.")


async def _live_subscription(tx: Transaction, owner: Owner) -> Subscription | None:
    return next((each for each in await subscriptions.of_owner(tx, owner.id) if each.is_live), None)


async def _add(tx: Transaction, owner: Owner, wish: Wish, now: datetime, promotion_codes: bool) -> Checkout:
    checkout = begin(uuid4(), owner.id, wish, owner.customer_id, now, promotion_codes=promotion_codes)
    await checkouts.add(tx, checkout)
    if wish.resume_id is not None:
        await payments.add_single(tx, checkout)
    return checkout
