"""NATS JetStream: one connection a process, the streams, and durable consumers with dead letters.

A publisher declares its own stream; a consumer is a durable named after its service and is made again when it
vanished. Messages are fetched one at a time, acknowledged after the database commit, handed back with a growing
delay on a passing fault, and parked in the stream `DEAD` (which turns health red) when they can never be taken.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import nats.errors
import nats.js.errors
from cv_common.kernel import tasks
from cv_common.kernel.database import DATABASE_UNAVAILABLE
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.logs import request_id
from cv_common.kernel.metrics import CONSUMER_LAG, DEAD_LETTERS, STREAM_FILL
from cv_common.kernel.settings import NatsSettings
from cv_common.messaging.events import Event
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from pydantic import ValidationError

log = logging.getLogger(__name__)

MESSAGE_ID_HEADER = "Nats-Msg-Id"
REQUEST_ID_HEADER = "Request-Id"
DEAD_STREAM = "DEAD"
_DAY = 24 * 3600
_MEBIBYTE = 1024 * 1024
_CONNECT_SECONDS = 2
_PING_SECONDS = 2
_PINGS_UNANSWERED = 2
"""A connection on which the server is silent is replaced at the third ping: after six seconds at most."""
_STREAM_EXISTS = 10058
"""JetStream's code for: there is a stream of this name, and its settings are others."""

Handler = Callable[[Any], Awaitable[None]]
"""Takes one event; returns when its effect is committed."""


class BrokerUnavailable(Exception):
    """The broker cannot be reached, or did not confirm in time."""


class Broker:
    """This process's connection to NATS, as `service`. It reconnects for ever."""

    name = "bus"

    def __init__(
        self, url: str, user: str, password: str, *, service: str, publishes: bool = False, replicas: int = 1
    ) -> None:
        self._url, self._user, self._password = url, user, password
        self.service = service
        self._publishes = publishes
        self._replicas = replicas
        self._client = Client()
        self._keeping: asyncio.Task[None] | None = None
        self._streams_in_doubt = asyncio.Event()
        self._dead_letters = 0
        self._last_error = "not connected yet"

    @classmethod
    def from_settings(cls, settings: NatsSettings, service: str, *, publishes: bool = False) -> "Broker":
        """The connection that the settings of a service describe."""
        return cls(
            settings.nats_url,
            settings.nats_user,
            settings.nats_password,
            service=service,
            publishes=publishes,
            replicas=settings.nats_replicas,
        )

    async def start(self) -> None:
        """Connect in the background, so that a service starts while the broker is away."""
        self._keeping = asyncio.create_task(self._maintain_streams(), name="bus streams")

    async def _maintain_streams(self) -> None:
        """Connect, and see to it that the streams are there: also after the broker lost its disk."""
        await self._client.connect(
            [self._url],
            user=self._user,
            password=self._password,
            name=self.service,
            inbox_prefix=f"_INBOX_{self.service}".encode(),
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            connect_timeout=_CONNECT_SECONDS,
            ping_interval=_PING_SECONDS,
            max_outstanding_pings=_PINGS_UNANSWERED,
            error_cb=self._on_error,
            reconnected_cb=self._on_reconnect,
        )
        while True:
            self._streams_in_doubt.clear()
            try:
                if self._publishes:
                    await self._declare(self.service.upper(), f"{self.service}.>")
                await self._declare(DEAD_STREAM, "dead.>")
            except (nats.errors.Error, TimeoutError) as error:
                log.warning("a stream could not be declared yet", extra={"error": str(error)})
                await asyncio.sleep(1)
            else:
                await self._streams_in_doubt.wait()

    async def _on_reconnect(self) -> None:
        self._streams_in_doubt.set()

    async def _on_error(self, error: Exception) -> None:
        """A denied publish, among others, is told nowhere else."""
        self._last_error = str(error) or type(error).__name__
        log.warning("bus error", extra={"error": self._last_error})

    async def _declare(self, stream: str, subjects: str) -> None:
        config = StreamConfig(
            name=stream,
            subjects=[subjects],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            max_age=30 * _DAY,
            max_bytes=512 * _MEBIBYTE,
            duplicate_window=120,
            num_replicas=self._replicas,
        )
        try:
            await self.jetstream.add_stream(config)
        except nats.js.errors.BadRequestError as error:
            if error.err_code != _STREAM_EXISTS:  # with settings an operator chose: those stay
                raise

    async def stop(self) -> None:
        await tasks.cancel_and_wait(self._keeping)
        with suppress(nats.errors.Error):
            await self._client.close()

    async def check(self) -> str | None:
        if not self._client.is_connected:
            return f"the message bus does not answer: {self._last_error}"
        try:
            info = await self.jetstream.stream_info(DEAD_STREAM, subjects_filter=f"dead.{self.service}.>")
            own = await self.jetstream.stream_info(self.service.upper()) if self._publishes else None
        except (nats.errors.Error, TimeoutError):
            return "the message bus does not answer"
        for each in (info, own):
            limit = (each.config.max_bytes or 0) if each else 0
            if each and limit > 0:
                STREAM_FILL.labels(each.config.name).set(each.state.bytes / limit)
        self._dead_letters = sum((info.state.subjects or {}).values())
        DEAD_LETTERS.set(self._dead_letters)
        return f"{self._dead_letters} dead letters" if self._dead_letters else None

    @property
    def jetstream(self) -> JetStreamContext:
        return self._client.jetstream(timeout=5)

    async def publish(self, subject: str, payload: bytes, message_id: str, request: str | None = None) -> None:
        """Publish and wait for the broker's confirmation. Raises BrokerUnavailable; publishing again is harmless."""
        if not self._client.is_connected:
            raise BrokerUnavailable("not connected")
        headers = {MESSAGE_ID_HEADER: message_id} | ({REQUEST_ID_HEADER: request} if request else {})
        try:
            await self.jetstream.publish(subject, payload, timeout=5, headers=headers)
        except (nats.errors.Error, TimeoutError) as error:
            if isinstance(error, nats.js.errors.NoStreamResponseError):
                self._streams_in_doubt.set()
            raise BrokerUnavailable(str(error) or type(error).__name__) from error


class Consumer:
    """Takes the events of one stream, one after the other, each by the handler of its class."""

    MAX_DELIVERIES = 10
    """Deliveries after which an event that fails for no passing reason becomes a dead letter."""
    HANDLER_TIMEOUT = 8
    """Seconds that a handler may take. What a process that died had taken is delivered again soon after."""

    def __init__(self, bus: Broker, handlers: Mapping[type[Event], Handler]) -> None:
        streams = {event.stream() for event in handlers}
        if len(streams) != 1:
            raise ValueError("a consumer reads exactly one stream")
        self.stream = streams.pop()
        self.name = f"consumer of {self.stream}"
        self._bus = bus
        self._events = {event.name: event for event in handlers}
        self._handlers = handlers
        self._task: asyncio.Task[None] | None = None
        self._ready = False

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        await tasks.cancel_and_wait(self._task)

    async def check(self) -> str | None:
        if not self._ready:
            return f"{self.name} is not running"
        with suppress(nats.errors.Error, TimeoutError):  # of a bus that does not answer, the bus tells
            info = await self._bus.jetstream.consumer_info(self.stream, self._bus.service)
            CONSUMER_LAG.labels(self.stream).set(info.num_pending or 0)
        return None

    async def _run(self) -> None:
        """Consume for ever; whatever the broker says, the consumer is declared anew after a second."""
        while True:
            try:
                await self._consume()
            except (nats.errors.Error, TimeoutError) as error:
                log.warning("consumer waits", extra={"stream": self.stream, "error": str(error)})
            except Exception:
                log.exception("consumer failed and starts again", extra={"stream": self.stream})
            self._ready = False
            await asyncio.sleep(1)

    async def _consume(self) -> None:
        jetstream = self._bus.jetstream
        await jetstream.add_consumer(
            self.stream,
            ConsumerConfig(
                durable_name=self._bus.service,
                filter_subjects=sorted(self._events),
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=self.HANDLER_TIMEOUT + 2,
                max_deliver=-1,
            ),
        )
        subscription = await jetstream.pull_subscribe_bind(consumer=self._bus.service, stream=self.stream)
        self._ready = True
        try:
            while True:
                try:
                    messages = await subscription.fetch(1, timeout=5)
                except nats.js.errors.FetchTimeoutError:
                    continue
                except nats.errors.TimeoutError:
                    await jetstream.consumer_info(self.stream, self._bus.service)
                    continue
                for message in messages:
                    await self._process(message)
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _process(self, message: Msg) -> None:
        """Handle one message, then say what became of it."""
        token = request_id.set((message.headers or {}).get(REQUEST_ID_HEADER))
        try:
            event = self._events[message.subject].model_validate_json(message.data)
        except ValidationError as error:
            await self._dead_letter(message, f"unreadable: {type(error).__name__}")
        except KeyError:  # a later release, beside us for as long as an upgrade takes, listens to more
            await self._nak_or_dead_letter(message, "unknown")
        else:
            await self._handle(message, event)
        finally:
            request_id.reset(token)

    async def _handle(self, message: Msg, event: Event) -> None:
        """Acknowledge, hand back or bury, as the handler fares. What passes by itself is tried again without end."""
        try:
            async with asyncio.timeout(self.HANDLER_TIMEOUT):
                await self._handlers[type(event)](event)
        except (*DATABASE_UNAVAILABLE, ServiceUnavailable, OSError, TimeoutError) as error:
            log.warning("an event is tried again", extra={"event": message.subject, "error": type(error).__name__})
            await message.nak(delay=self._redelivery_delay(message))
        except Exception as error:
            log.exception("an event could not be taken", extra={"event": message.subject})
            await self._nak_or_dead_letter(message, f"failed: {type(error).__name__}")
        else:
            await message.ack()

    async def _nak_or_dead_letter(self, message: Msg, reason: str) -> None:
        """Hand a message back, but not for ever."""
        if message.metadata.num_delivered >= self.MAX_DELIVERIES:
            await self._dead_letter(message, reason)
        else:
            await message.nak(delay=self._redelivery_delay(message))

    def _redelivery_delay(self, message: Msg) -> float:
        """Seconds until the next try: 0.5, 1, 2, … 30."""
        return float(min(30, 0.25 * 2 ** min(message.metadata.num_delivered, 10)))

    async def _dead_letter(self, message: Msg, reason: str) -> None:
        """Park a message that can never be taken, then end it; if parking fails it stays where it is."""
        place = f"dead.{self._bus.service}.{message.subject}"
        sequence = message.metadata.sequence.stream
        log.error("dead letter", extra={"event": message.subject, "reason": reason, "sequence": sequence})
        try:
            await self._bus.publish(place, message.data, f"{self.stream}-{self._bus.service}-{sequence}")
        except BrokerUnavailable:
            await message.nak(delay=5)
        else:
            await message.term()
