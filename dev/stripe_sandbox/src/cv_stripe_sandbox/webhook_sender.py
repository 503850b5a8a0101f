"""Delivers webhooks: reads the durable queue, signs each attempt, retries with exponential backoff."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Sequence

import aiohttp

from cv_stripe_sandbox.context import Context, serialize_event
from cv_stripe_sandbox.repository.deliveries import Delivery
from cv_stripe_sandbox.sandbox import Sandbox

_MAX_CONCURRENT = 16
# Stripe backs off for hours. In development the receiver has usually just been restarted.
_MAX_BACKOFF_SECONDS = 60.0
_GIVE_UP_AFTER_SECONDS = 3 * 86400.0
_IDLE_SECONDS = 30.0

log = logging.getLogger(__name__)


def sign(payload: bytes, secrets: Sequence[str], moment: int) -> str:
    """Return the Stripe-Signature header, with one `v1` signature for each secret."""
    signed = str(moment).encode() + b"." + payload
    digests = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={moment}", *(f"v1={digest}" for digest in digests)])


def is_success(status: int | None) -> bool:
    """Return whether the response acknowledges the event: any 2xx status."""
    return status is not None and 200 <= status < 300


class WebhookSender:
    """Sends the due deliveries, up to 16 at a time, in no guaranteed order."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._settings = sandbox.settings
        self._wake = asyncio.Event()
        self._progress = asyncio.Condition()
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None

    def wake(self) -> None:
        """Read the queue now, because a delivery may have been added."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until canceled. Interrupted deliveries stay in the queue."""
        timeout = aiohttp.ClientTimeout(total=self._settings.webhook_timeout)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            try:
                while True:
                    self._wake.clear()
                    self._start_due()
                    await self._wait_for_work()
            finally:
                await self._cancel_attempts()

    async def send_now(self, delivery: Delivery) -> None:
        """Attempt a delivery now, whatever its state, and wait for the result."""
        if delivery.id not in self._in_flight:
            self._in_flight[delivery.id] = asyncio.create_task(self._attempt(delivery))
        await self._in_flight[delivery.id]

    async def wait_until_acknowledged(self, event: str, seconds: float) -> bool:
        """Wait until every endpoint has acknowledged the event. False if one has not within so many seconds."""
        async with self._progress:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._progress.wait_for(lambda: not self._waiting(event)), seconds)
        return self._acknowledged(event)

    def _waiting(self, event: str) -> bool:
        return any(delivery.state == "pending" for delivery in self._deliveries_of(event))

    def _acknowledged(self, event: str) -> bool:
        return all(delivery.state == "delivered" for delivery in self._deliveries_of(event))

    def _deliveries_of(self, event: str) -> list[Delivery]:
        with self._sandbox.view() as context:
            return context.deliveries.list_by_event(event)

    def _start_due(self) -> None:
        free = _MAX_CONCURRENT - len(self._in_flight)
        with self._sandbox.view() as context:
            due = context.deliveries.list_due(time.time(), free, list(self._in_flight))
        for delivery in due:
            self._in_flight[delivery.id] = asyncio.create_task(self._attempt(delivery))

    async def _wait_for_work(self) -> None:
        with self._sandbox.view() as context:
            upcoming = context.deliveries.next_attempt(list(self._in_flight))
        pause = _IDLE_SECONDS if upcoming is None else max(0.0, upcoming - time.time())
        if len(self._in_flight) >= _MAX_CONCURRENT:
            pause = _IDLE_SECONDS
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), min(pause, _IDLE_SECONDS))

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            status, error = await self._post(delivery)
            self._record_attempt(delivery, status, error)
        finally:
            self._in_flight.pop(delivery.id, None)
            self._wake.set()
        async with self._progress:
            self._progress.notify_all()

    async def _post(self, delivery: Delivery) -> tuple[int | None, str | None]:
        """Send a delivery. Returns the status (None without a response) and the error."""
        with self._sandbox.view() as context:
            endpoint = context.objects.find(delivery.endpoint)
            event = context.objects.find(delivery.event)
            if endpoint is None or event is None:
                return None, "The endpoint has been deleted."
            secrets = context.objects.get_private(delivery.endpoint)["secrets"]
            payload = json.dumps(serialize_event(context, event), indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(payload, secrets, int(time.time())),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            # Stripe treats a redirect as a failed delivery.
            async with self._client_session().post(
                endpoint["url"], data=payload, headers=headers, allow_redirects=False
            ) as response:
                text = await response.text(errors="replace")
                return response.status, None if is_success(response.status) else text[:500]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return None, f"{type(error).__name__}: {error}"

    def _client_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the webhook sender is not running")
        return self._session

    def _record_attempt(self, delivery: Delivery, status: int | None, error: str | None) -> None:
        backoff = min(self._settings.webhook_retry * 2**delivery.attempts, _MAX_BACKOFF_SECONDS)
        with self._sandbox.change() as context:
            state = "delivered" if is_success(status) else self._state_after_failure(context, delivery)
            context.deliveries.record_attempt(
                delivery.id, state, status=status, error=error, next_attempt=time.time() + backoff
            )
        if state != "delivered":
            log.warning("%s to %s: %s", delivery.event, delivery.endpoint, error or status)

    def _state_after_failure(self, context: Context, delivery: Delivery) -> str:
        """Return `pending` for three days, then `failed`. A delivery that was sent by hand keeps its state."""
        if delivery.state != "pending":
            return delivery.state
        event = context.objects.find(delivery.event)
        endpoint_exists = context.objects.find(delivery.endpoint) is not None
        is_recent = event is not None and time.time() - event["created"] < _GIVE_UP_AFTER_SECONDS
        return "pending" if endpoint_exists and is_recent else "failed"

    async def _cancel_attempts(self) -> None:
        for task in self._in_flight.values():
            task.cancel()
        await asyncio.gather(*self._in_flight.values(), return_exceptions=True)
