"""Beginning a checkout: what is wished for, our own row first, then the page at Stripe."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any
from uuid import uuid4

from cv_common.body import validate
from cv_common.db import Transaction
from cv_common.errors import Detailed, Unavailable, UserNotFound, ValidationFailed
from cv_common.identity import Caller

from cv_payments.actions.context import Context
from cv_payments.actions.portal import NOT_ALLOWED, page_for_subscriber
from cv_payments.actions.refresh import refresh
from cv_payments.clients.stripe_connection import StripeDown, StripeRefused
from cv_payments.domain.checkouts import Checkout, Wish, begin
from cv_payments.domain.return_urls import is_allowed
from cv_payments.domain.subscriptions import Subscription
from cv_payments.schemas import CheckoutBody
from cv_payments.store import checkouts, owners, payments, resumes, subscriptions
from cv_payments.store.owners import Owner

log = logging.getLogger(__name__)

_STRIPE_DOWN = "The payment service is not available, try again later."


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the buyer, and the id of the session that was started for them, if one was."""

    url: str
    started_session: str | None


async def begin_checkout(context: Context, caller: Caller, data: Any) -> Begun:
    """Answer a buyer's wish with the address of a page to pay at.

    Raises ValidationFailed, UserNotFound (the account was erased), Unavailable (resumes or Stripe is down)
    and Detailed (Stripe refuses what we ask: a bug).
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
    found, owner = await _attempt(context, caller.user_id, session_id, wish)
    started = owner.session_id if owner.session_id != caller.session_id else None
    if isinstance(found, Subscription):
        return Begun(await page_for_subscriber(context, found, wish), started)
    return Begun(found.url or await _open(context, found), started)


async def _checked(context: Context, data: Any) -> CheckoutBody:
    """The valid body; every field error at once."""
    errors: dict[str, Any] = {}
    body = None
    try:
        body = validate(data, CheckoutBody)
    except ValidationFailed as failed:
        errors = failed.body
    fields = data if isinstance(data, dict) else {}
    for name in ("success_url", "cancel_url"):
        url = fields.get(name)
        if name not in errors and isinstance(url, str) and not _may_return_to(context, url.strip()):
            errors[name] = [NOT_ALLOWED]
    if "resume_id" not in errors and fields.get("payment_type") not in ("monthly", "yearly"):
        required = fields.get("payment_type") == "single"
        errors |= await _resume_errors(context, fields.get("resume_id"), required)
    if body is None or errors:
        raise ValidationFailed(errors)
    return body


def _may_return_to(context: Context, url: str) -> bool:
    return is_allowed(url, context.settings.checkout_allowed_origins)


async def _resume_errors(context: Context, resume_id: Any, required: bool) -> dict[str, list[str]]:
    """What is wrong with a well-formed `resume_id`, given as a number or as its text."""
    if resume_id is None:
        return {"resume_id": ["This field is required."]} if required else {}
    if await context.resumes.exists(int(resume_id)):
        return {}
    return {"resume_id": [f"Resume with id {int(resume_id)} does not exist."]}


async def _attempt(
    context: Context, user_id: int | None, session_id: str, wish: Wish
) -> tuple[Checkout | Subscription, Owner]:
    """The one attempt that may be paid for this wish: the unfinished one that serves it, else a new one.

    A live subscription is the answer to the wish for another: nobody shall pay for two.
    """
    for _ in range(3):
        async with context.database.transaction() as tx:
            owner = await _locked_owner(tx, user_id, session_id)
            await _refuse_paid(tx, wish)
            if wish.resume_id is None and (live := await _live_subscription(tx, owner)) is not None:
                return live, owner
            rivals = [each for each in await checkouts.unfinished(tx, owner.id) if each.resume_id == wish.resume_id]
            now = datetime.now(UTC)
            serving = next((each for each in reversed(rivals) if each.serves(wish, now)), None)
            stale = [each for each in rivals if each is not serving]
            if not stale:
                return serving or await _add(tx, owner, wish, now), owner
        for checkout in stale:
            await _close(context, checkout)
    raise Unavailable


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


async def _add(tx: Transaction, owner: Owner, wish: Wish, now: datetime) -> Checkout:
    checkout = begin(uuid4(), owner.id, wish, owner.customer_id, now)
    await checkouts.add(tx, checkout)
    if wish.resume_id is not None:
        await payments.add_single(tx, checkout)
    return checkout


async def _close(context: Context, checkout: Checkout) -> None:
    """Make sure that nobody pays at a page we no longer send anybody to; if somebody just has, take note of it."""
    if checkout.stripe_session_id is None:
        await give_up(context, checkout)
        return
    try:
        await context.stripe.expire_session(checkout.stripe_session_id)
    except StripeRefused:
        log.info("a checkout was over before it was closed", extra={"checkout": str(checkout.id)})
    except StripeDown as down:
        raise Unavailable(_STRIPE_DOWN) from down
    try:
        async with context.database.transaction() as tx:
            await refresh(context, tx, "session", checkout.stripe_session_id)
    except StripeDown as down:
        raise Unavailable(_STRIPE_DOWN) from down


async def _open(context: Context, checkout: Checkout) -> str:
    """The page of an attempt. Its row is committed, so asking again, now or after a crash, opens the same page."""
    try:
        session = await context.stripe.create_session(checkout.parameters, checkout.idempotency_key)
    except StripeDown as down:
        log.warning("no checkout could be opened", extra={"checkout": str(checkout.id), "error": str(down)})
        if down.answered:  # Stripe repeats its answer to a key, errors included
            await give_up(context, checkout)
        raise Unavailable(_STRIPE_DOWN) from down
    except StripeRefused as refused:
        log.error("Stripe refuses a checkout", extra={"checkout": str(checkout.id), "error": str(refused)})
        await give_up(context, checkout)
        raise Detailed from refused
    assert session.url is not None, "an open session has an address"
    async with context.database.connection() as tx:
        await checkouts.opened(tx, checkout.id, session.id, session.url)
    return session.url


async def give_up(context: Context, checkout: Checkout) -> None:
    """Nobody can pay at this attempt: Stripe did not open a session for it."""
    async with context.database.transaction() as tx:
        if await checkouts.failed(tx, checkout.id) and checkout.resume_id is not None:
            payment = await payments.of_checkout(tx, checkout)
            await payments.write_facts(tx, payment, outcome="failed")
