"""Stripe's events: kept first, acted on afterwards, as often as it takes."""

import asyncio
import logging

from cv_common.kernel.database import Row, Transaction
from cv_common.kernel.errors import BadRequest, NotFound, ServiceUnavailable

from cv_payments.actions.context import Context
from cv_payments.actions.refresh import refresh
from cv_payments.actions.retries import attempt
from cv_payments.clients.stripe_signatures import BadSignature, verify
from cv_payments.domain.events import KINDS, ReceivedEvent
from cv_payments.domain.findings import NotOurs, Quarantined
from cv_payments.repository import stripe_events, work

log = logging.getLogger(__name__)

_KEPT_WITHIN = 20.0
"""Seconds that keeping one event may take, in a burst of them on a busy machine."""
_PATIENCE = 0.5
"""Seconds that a sender waits for others' events to be acted on, before the event is left to the worker."""
_WITHIN = 6.0
"""Seconds that acting on one event may take before it is put off: Stripe holds the buyer's browser meanwhile."""


async def receive_event(context: Context, body: bytes, signature: str | None) -> None:
    """Take a webhook: when this returns, the event is kept for good, and most often acted on.

    Of a burst only the first ones are acted on at once; the others are the worker's, and their senders do not wait.

    Raises NotFound (no secret is configured), BadRequest (it is not Stripe's), ServiceUnavailable and
    an error if the database is down: the event could not be stored, and Stripe sends it again.
    """
    secrets = context.settings.stripe_webhook_secrets
    if not secrets:
        raise NotFound
    try:
        event = verify(body, signature, secrets)
    except BadSignature as bad:
        raise BadRequest(f"The webhook was refused: {bad}.") from None
    if event.livemode != context.settings.livemode:
        raise BadRequest("The webhook was refused: it is of the other mode.")
    await record_event(context, event)
    await process_event(context, event.id, patience=_PATIENCE)


async def record_event(context: Context, event: ReceivedEvent) -> None:
    """Keep an event for good: that it came, and what it is about, which is asked for again.

    Raises ServiceUnavailable when that takes too long, and what says that the database is down.
    """
    try:
        async with asyncio.timeout(_KEPT_WITHIN), context.letterbox, context.database.connection() as tx:
            await stripe_events.record(tx, event.id, event.type, event.object_id)
    except TimeoutError:
        raise ServiceUnavailable from None


async def process_event(context: Context, event_id: str, patience: float | None = None) -> None:
    """Act on a kept event, unless that was done or somebody is at it. Whatever goes wrong, the event stays.

    When others are in front of it for longer than `patience` seconds, it is left to the worker.
    """
    try:
        async with asyncio.timeout(patience):
            await context.slots.acquire()
    except TimeoutError:
        return
    try:
        await attempt(context, work.events, event_id, _act)
    finally:
        context.slots.release()


async def _act(context: Context, event: Row) -> None:
    try:
        async with asyncio.timeout(_WITHIN), context.database.transaction() as tx:
            owner_id = await _refresh(context, tx, event["type"], event["object_id"])
            await stripe_events.concerns(tx, event["id"], owner_id)
            await work.events.finish(tx, event["id"], "done")
    except NotOurs as reason:
        await _finish(context, event["id"], "ignored", str(reason))
    except Quarantined as reason:
        told = {"event": event["id"], "type": event["type"], "object": event["object_id"], "reason": str(reason)}
        log.error("an event is quarantined", extra=told)
        await _finish(context, event["id"], "quarantined", str(reason))


async def _refresh(context: Context, tx: Transaction, event_type: str, object_id: str | None) -> int:
    """Look at what an event is about. The id of the owner it concerns."""
    kind = KINDS.get(event_type)
    if kind is None:
        raise NotOurs(f"nothing follows from {event_type}")
    if object_id is None:
        raise Quarantined("the event does not say what it is about")
    return await refresh(context, tx, kind, object_id)


async def _finish(context: Context, event_id: str, outcome: work.Outcome, reason: str) -> None:
    async with context.database.connection() as tx:
        await work.events.finish(tx, event_id, outcome, reason)


async def process_due_events(context: Context) -> None:
    """Act on the events that were put off, came too many at once, or were left behind by a process that died."""
    while due := await _due_events(context):
        await asyncio.gather(*(process_event(context, event_id) for event_id in due))


async def _due_events(context: Context) -> list[str]:
    async with context.database.connection() as tx:
        return await work.events.due(tx, at_most=30)
