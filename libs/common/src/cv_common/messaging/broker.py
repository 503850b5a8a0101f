"""The connection to NATS JetStream and the streams of this service.

A publishing service declares its own stream; every service declares the stream `DEAD` for its dead letters.
"""

import asyncio
import logging
from contextlib import suppress

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

from cv_common.kernel.metrics import DEAD_LETTERS, STREAM_FILL
from cv_common.kernel.settings import NatsSettings
from cv_common.kernel.tasks import BackgroundTask

log = logging.getLogger(__name__)

MESSAGE_ID_HEADER = "Nats-Msg-Id"
REQUEST_ID_HEADER = "Request-Id"
DEAD_STREAM = "DEAD"
_DAY = 24 * 3600
_MEBIBYTE = 1024 * 1024
_CONNECT_SECONDS = 2
_PING_SECONDS = 2
_MAX_UNANSWERED_PINGS = 2
"""The client reconnects at the third ping, at most six seconds after the server fell silent."""
_STREAM_EXISTS = 10058
"""JetStream's error code for a stream that exists with other settings."""


class BrokerUnavailable(Exception):
    """The broker cannot be reached, or did not confirm in time."""


class Broker(BackgroundTask):
    """The NATS connection of this process, as the user of `service`. It reconnects without limit.

    `publishes`: whether the service has a stream of its own; `replicas`: copies of a stream in the NATS cluster.
    """

    name = "bus"
    """The name in `/healthz` and metrics, which dashboards read."""

    def __init__(
        self, url: str, user: str, password: str, *, service: str, publishes: bool = False, replicas: int = 1
    ) -> None:
        self._url, self._user, self._password = url, user, password
        self.service = service
        self._publishes = publishes
        self._replicas = replicas
        self._client = Client()
        self._may_lack_streams = asyncio.Event()
        self._dead_letters = 0
        self._last_error = "not connected yet"

    @classmethod
    def from_settings(cls, settings: NatsSettings, service: str, *, publishes: bool = False) -> "Broker":
        """Return the broker that `settings` describe."""
        return cls(
            settings.nats_url,
            settings.nats_user,
            settings.nats_password,
            service=service,
            publishes=publishes,
            replicas=settings.nats_replicas,
        )

    async def _run(self) -> None:
        """Connect and declare the streams, again after each reconnect: the broker may have lost its disk.

        This runs in the background: a service starts even if the broker is unavailable.
        """
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
            max_outstanding_pings=_MAX_UNANSWERED_PINGS,
            error_cb=self._on_error,
            reconnected_cb=self._on_reconnect,
        )
        while True:
            self._may_lack_streams.clear()
            try:
                if self._publishes:
                    await self._declare(self.service.upper(), f"{self.service}.>")
                await self._declare(DEAD_STREAM, "dead.>")
            except (nats.errors.Error, TimeoutError) as error:
                log.warning("declaring the streams failed, retrying", extra={"error": str(error)})
                await asyncio.sleep(1)
            else:
                await self._may_lack_streams.wait()

    async def _on_reconnect(self) -> None:
        self._may_lack_streams.set()

    async def _on_error(self, error: Exception) -> None:
        """Log an error of the connection. A denied publish, for example, is reported only here."""
        self._last_error = str(error) or type(error).__name__
        log.warning("broker error", extra={"error": self._last_error})

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
            if error.err_code != _STREAM_EXISTS:  # an operator has changed its settings: keep them
                raise

    async def stop(self) -> None:
        await super().stop()
        with suppress(nats.errors.Error):
            await self._client.close()

    async def check(self) -> str | None:
        if not self._client.is_connected:
            return f"the broker does not answer: {self._last_error}"
        try:
            dead = await self.jetstream.stream_info(DEAD_STREAM, subjects_filter=f"dead.{self.service}.>")
            own = await self.jetstream.stream_info(self.service.upper()) if self._publishes else None
        except (nats.errors.Error, TimeoutError):
            return "the broker does not answer"
        for info in (dead, own):
            limit = (info.config.max_bytes or 0) if info else 0
            if info and limit > 0:
                STREAM_FILL.labels(info.config.name).set(info.state.bytes / limit)
        self._dead_letters = sum((dead.state.subjects or {}).values())
        DEAD_LETTERS.set(self._dead_letters)
        return f"{self._dead_letters} dead letters" if self._dead_letters else None

    @property
    def jetstream(self) -> JetStreamContext:
        return self._client.jetstream(timeout=5)

    async def publish(self, subject: str, payload: bytes, message_id: str, request: str | None = None) -> None:
        """Publish and wait for the broker's confirmation. `request` is the id of the request that caused the event.

        Raises BrokerUnavailable. Publishing again is harmless: JetStream drops a known `message_id`.
        """
        if not self._client.is_connected:
            raise BrokerUnavailable("not connected")
        headers = {MESSAGE_ID_HEADER: message_id} | ({REQUEST_ID_HEADER: request} if request else {})
        try:
            await self.jetstream.publish(subject, payload, timeout=5, headers=headers)
        except (nats.errors.Error, TimeoutError) as error:
            if isinstance(error, nats.js.errors.NoStreamResponseError):
                self._may_lack_streams.set()
            raise BrokerUnavailable(str(error) or type(error).__name__) from error
