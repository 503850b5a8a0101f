"""Durable JetStream consumers that turn events they can never process into dead letters.

A consumer is named after its service and is created again when it is missing. It fetches one message at a time and

- acknowledges it when its handler has returned, after the commit of its effect;
- hands it back with a growing delay after a temporary failure, such as a database that is unavailable, without limit;
- hands it back up to `Consumer.MAX_DELIVERIES` times after any other failure, then moves it to the stream `DEAD`,
  which makes the service unhealthy.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig
from pydantic import ValidationError

from cv_common.kernel.database import DATABASE_UNAVAILABLE
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.logs import request_id
from cv_common.kernel.metrics import CONSUMER_LAG
from cv_common.kernel.tasks import BackgroundTask
from cv_common.messaging.broker import REQUEST_ID_HEADER, Broker, BrokerUnavailable
from cv_common.messaging.events import Event

log = logging.getLogger(__name__)

Handler = Callable[[Any], Awaitable[None]]
"""Processes one event. Returns when its effect is committed."""


class Consumer(BackgroundTask):
    """A consumer of one stream, which handles one event after the other with the handler of its class."""

    MAX_DELIVERIES = 10
    """Deliveries after which an event whose handler fails becomes a dead letter."""
    HANDLER_TIMEOUT = 8
    """Seconds that a handler may take. The broker redelivers a message that is unacknowledged two seconds later."""

    def __init__(self, broker: Broker, handlers: Mapping[type[Event], Handler]) -> None:
        streams = {event.stream() for event in handlers}
        if len(streams) != 1:
            raise ValueError("a consumer reads exactly one stream")
        self.stream = streams.pop()
        self.name = f"consumer of {self.stream}"
        self._broker = broker
        self._events = {event.name: event for event in handlers}
        self._handlers = handlers
        self._is_running = False

    async def check(self) -> str | None:
        if not self._is_running:
            return f"{self.name} is not running"
        with suppress(nats.errors.Error, TimeoutError):  # Broker.check() reports a broker that does not answer
            info = await self._broker.jetstream.consumer_info(self.stream, self._broker.service)
            CONSUMER_LAG.labels(self.stream).set(info.num_pending or 0)
        return None

    async def _run(self) -> None:
        """Consume for ever. After an error, declare the consumer again a second later."""
        while True:
            try:
                await self._consume()
            except (nats.errors.Error, TimeoutError) as error:
                log.warning("consumer interrupted, retrying", extra={"stream": self.stream, "error": str(error)})
            except Exception:
                log.exception("consumer failed, retrying", extra={"stream": self.stream})
            self._is_running = False
            await asyncio.sleep(1)

    async def _consume(self) -> None:
        jetstream, durable = self._broker.jetstream, self._broker.service
        await jetstream.add_consumer(
            self.stream,
            ConsumerConfig(
                durable_name=durable,
                filter_subjects=sorted(self._events),
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=self.HANDLER_TIMEOUT + 2,
                max_deliver=-1,
            ),
        )
        subscription = await jetstream.pull_subscribe_bind(consumer=durable, stream=self.stream)
        self._is_running = True
        try:
            while True:
                try:
                    messages = await subscription.fetch(1, timeout=5)
                except nats.js.errors.FetchTimeoutError:
                    continue
                except nats.errors.TimeoutError:
                    await jetstream.consumer_info(self.stream, durable)  # raises if the consumer is missing
                    continue
                for message in messages:
                    await self._process(message)
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _process(self, message: Msg) -> None:
        """Handle one message, then acknowledge it, hand it back or move it to the dead letters."""
        token = request_id.set((message.headers or {}).get(REQUEST_ID_HEADER))
        try:
            event = self._events[message.subject].model_validate_json(message.data)
        except ValidationError as error:
            await self._dead_letter(message, f"unreadable: {type(error).__name__}")
        except KeyError:  # during a rolling upgrade, a newer replica has added the subject to the same consumer
            await self._nak_or_dead_letter(message, "unknown")
        else:
            await self._handle(message, event)
        finally:
            request_id.reset(token)

    async def _handle(self, message: Msg, event: Event) -> None:
        try:
            async with asyncio.timeout(self.HANDLER_TIMEOUT):
                await self._handlers[type(event)](event)
        except (*DATABASE_UNAVAILABLE, ServiceUnavailable, OSError, TimeoutError) as error:
            log.warning("event delayed", extra={"event": message.subject, "error": type(error).__name__})
            await message.nak(delay=self._redelivery_delay(message))
        except Exception as error:
            log.exception("event handler failed", extra={"event": message.subject})
            await self._nak_or_dead_letter(message, f"failed: {type(error).__name__}")
        else:
            await message.ack()

    async def _nak_or_dead_letter(self, message: Msg, reason: str) -> None:
        """Hand a message back, or move it to the dead letters at its last delivery."""
        if message.metadata.num_delivered >= self.MAX_DELIVERIES:
            await self._dead_letter(message, reason)
        else:
            await message.nak(delay=self._redelivery_delay(message))

    def _redelivery_delay(self, message: Msg) -> float:
        """Return the seconds until the next delivery: 0.5, 1, 2, … 30."""
        return float(min(30, 0.25 * 2 ** min(message.metadata.num_delivered, 10)))

    async def _dead_letter(self, message: Msg, reason: str) -> None:
        """Move a message to the dead letters. It stays in its stream, to be delivered again, if that fails."""
        service, sequence = self._broker.service, message.metadata.sequence.stream
        log.error("dead letter", extra={"event": message.subject, "reason": reason, "sequence": sequence})
        try:
            await self._broker.publish(
                f"dead.{service}.{message.subject}", message.data, f"{self.stream}-{service}-{sequence}"
            )
        except BrokerUnavailable:
            await message.nak(delay=5)
        else:
            await message.term()
