"""What Stripe must be told, told: each call until Stripe has it, with one idempotency key until Stripe answers."""

import asyncio
import logging

from cv_common.kernel.database import Row

from cv_payments.actions.context import Context
from cv_payments.actions.retries import attempt
from cv_payments.clients.stripe_connection import StripeDown, StripeMissing, StripeRefused
from cv_payments.repository import stripe_calls, work

log = logging.getLogger(__name__)


async def make_due_calls(context: Context) -> None:
    """Make the calls whose time has come."""
    async with context.database.connection() as tx:
        due = await work.calls.due(tx, at_most=6)
    await asyncio.gather(*(attempt(context, work.calls, key, _make) for key in due))


async def _make(context: Context, call: Row) -> None:
    try:
        await _call(context, call)
    except (StripeDown, StripeRefused) as error:
        if isinstance(error, StripeRefused) or error.answered:
            async with context.database.connection() as tx:
                await stripe_calls.refused(tx, call["key"])
        raise
    async with context.database.connection() as tx:
        await work.calls.finish(tx, call["key"], "done")


def _idempotency_key(call: Row) -> str:
    """The same for all tries until Stripe answers: after an error it would answer the same again."""
    return f"{call['key']}:{call['refusals']}" if call["refusals"] else str(call["key"])


async def _call(context: Context, call: Row) -> None:
    """Make one call. That things are so already is as good; Stripe's own event tells us of it either way."""
    key, action, object_id = _idempotency_key(call), call["action"], call["object_id"]
    try:
        match action:
            case "refund":
                await context.stripe.give_back(object_id, call["parameters"]["reason"], key)
            case "cancel_subscription":
                await context.stripe.cancel_subscription(object_id, key)
            case "expire_session":
                await context.stripe.expire_session(object_id)
            case "delete_customer":
                await context.stripe.delete_customer(object_id)
            case unknown:
                raise ValueError(f"unknown call {unknown!r}")
    except StripeRefused as refused:
        if not _is_so_already(action, refused):
            raise
        log.info("what Stripe is told is so already", extra={"call": action, "object": object_id})


def _is_so_already(action: str, refused: StripeRefused) -> bool:
    match action:
        case "refund":
            return refused.code == "charge_already_refunded"
        case "expire_session":
            return True  # paid, or over: Stripe has no other reason
        case _:
            return isinstance(refused, StripeMissing)
