"""Calls to Stripe: each is repeated until Stripe has done it."""

import asyncio
import logging

from cv_payments.actions.context import Context
from cv_payments.actions.jobs import run_job
from cv_payments.clients.stripe_connection import StripeNotFound, StripeRequestError, StripeUnavailable
from cv_payments.domain.jobs import CallAction, CallJob
from cv_payments.repository import stripe_calls
from cv_payments.repository.job_queues import calls

log = logging.getLogger(__name__)


async def make_due_calls(context: Context) -> None:
    """Make the calls that are due."""
    async with context.database.connection() as tx:
        due = await calls.list_due(tx, limit=6)
    await asyncio.gather(*(run_job(context, calls, key, _make) for key in due))


async def _make(context: Context, call: CallJob) -> None:
    try:
        await _call(context, call)
    except (StripeUnavailable, StripeRequestError) as error:
        if isinstance(error, StripeRequestError) or error.answered:
            async with context.database.connection() as tx:
                await stripe_calls.count_refusal(tx, call.key)
        raise
    async with context.database.connection() as tx:
        await calls.finish(tx, call.key, "done")


async def _call(context: Context, call: CallJob) -> None:
    """Make one call. An error that says the call was made before counts as success; an event follows either way."""
    try:
        match call.action:
            case "refund":
                assert call.reason is not None, "a refund has a reason"
                await context.stripe.refund(call.object_id, call.reason, call.idempotency_key)
            case "cancel_subscription":
                await context.stripe.cancel_subscription(call.object_id, call.idempotency_key)
            case "expire_session":
                await context.stripe.expire_session(call.object_id)
            case "delete_customer":
                await context.stripe.delete_customer(call.object_id)
            case _:  # a newer release has added it
                raise ValueError(f"unknown call {call.action!r}")
    except StripeRequestError as error:
        if not _was_done(call.action, error):
            raise
        log.info("a call to Stripe was done before", extra={"call": call.action, "object": call.object_id})


def _was_done(action: CallAction, error: StripeRequestError) -> bool:
    match action:
        case "refund":
            return error.code == "charge_already_refunded"
        case "expire_session":
            return True  # the session is paid or over: Stripe has no other reason
        case _:
            return isinstance(error, StripeNotFound)
