"""Stripe's webhooks: each event is stored first, then processed, and retried until it is processed."""

import asyncio
import logging

from cv_common.kernel.errors import BadRequest, NotFound, ServiceUnavailable

from cv_payments.actions.context import Context
from cv_payments.actions.jobs import run_job
from cv_payments.actions.stripe_sync import StripeSync
from cv_payments.clients.stripe_signatures import InvalidWebhook, parse_webhook
from cv_payments.domain.errors import ForeignObject, Quarantined
from cv_payments.domain.events import OBJECT_KINDS, StripeEvent
from cv_payments.domain.jobs import EventJob, Outcome
from cv_payments.repository import stripe_events
from cv_payments.repository.job_queues import events

log = logging.getLogger(__name__)

_STORE_TIMEOUT = 20.0
"""Seconds in which an event must be stored, in a burst on a busy machine."""
_MAX_WAIT = 0.5
"""Seconds that a webhook waits for its turn to be processed. Then the worker processes the event."""
_PROCESS_TIMEOUT = 6.0
"""Seconds for one attempt to process an event: Stripe delays the buyer's browser meanwhile."""


async def receive_webhook(context: Context, body: bytes, signature: str | None) -> None:
    """Store an event and process it, unless too many others are being processed: then the worker does it.

    Raises NotFound (no secret is configured), BadRequest (not an event of this Stripe account), ServiceUnavailable, or
    a database error: the event is not stored, and Stripe sends it again.
    """
    secrets = context.settings.stripe_webhook_secrets
    if not secrets:
        raise NotFound
    try:
        event = parse_webhook(body, signature, secrets)
    except InvalidWebhook as error:
        raise BadRequest(f"The webhook was refused: {error}.") from None
    if event.livemode != context.settings.livemode:
        raise BadRequest("The webhook was refused: it is of the other mode.")
    await store_event(context, event)
    await process_event(context, event.id, max_wait=_MAX_WAIT)


async def store_event(context: Context, event: StripeEvent) -> None:
    """Store an event. Raises ServiceUnavailable after 20 s, or a database error."""
    try:
        async with (
            asyncio.timeout(_STORE_TIMEOUT),
            context.webhook_semaphore,
            context.database.connection() as tx,
        ):
            await stripe_events.add(tx, event)
    except TimeoutError:
        raise ServiceUnavailable from None


async def process_event(context: Context, event_id: str, max_wait: float | None = None) -> None:
    """Process a stored event, unless it is processed or leased. An event that fails is retried later.

    After `max_wait` seconds in the queue of the semaphore it is left to the worker.
    """
    try:
        async with asyncio.timeout(max_wait):
            await context.stripe_semaphore.acquire()
    except TimeoutError:
        return
    try:
        await run_job(context, events, event_id, _process)
    finally:
        context.stripe_semaphore.release()


async def _process(context: Context, event: EventJob) -> None:
    try:
        kind = OBJECT_KINDS.get(event.type)
        if kind is None:
            raise ForeignObject(f"nothing follows from {event.type}")
        if event.object_id is None:
            raise Quarantined("the event does not say what it is about")
        async with asyncio.timeout(_PROCESS_TIMEOUT), context.database.transaction() as tx:
            owner = await StripeSync(context, tx).sync(kind, event.object_id)
            await stripe_events.set_owner(tx, event.key, owner.id)
            await events.finish(tx, event.key, "done")
    except ForeignObject as reason:
        await _finish(context, event, "ignored", reason)
    except Quarantined as reason:
        details = {"event": event.key, "type": event.type, "object": event.object_id, "reason": str(reason)}
        log.error("an event is quarantined", extra=details)
        await _finish(context, event, "quarantined", reason)


async def _finish(context: Context, event: EventJob, outcome: Outcome, reason: Exception) -> None:
    async with context.database.connection() as tx:
        await events.finish(tx, event.key, outcome, str(reason))


async def process_due_events(context: Context) -> None:
    """Process the events that were postponed, left to the worker, or abandoned by a process that died."""
    while True:
        async with context.database.connection() as tx:
            due = await events.list_due(tx, limit=30)
        if not due:
            return
        await asyncio.gather(*(process_event(context, event_id) for event_id in due))
