"""Webhooks on their way: taken from the durable queue, signed for each attempt, retried with backoff."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Sequence

import aiohttp

from cv_stripe_sandbox.context import Context, public_event
from cv_stripe_sandbox.sandbox import Sandbox
from cv_stripe_sandbox.store.deliveries import Delivery

_AT_ONCE = 16
# Stripe waits for hours; whoever develops has just restarted the shop.
_LONGEST_BACKOFF = 60.0
_GIVE_UP_AFTER = 3 * 86400.0
_IDLE_SECONDS = 30.0

log = logging.getLogger(__name__)


def signature(payload: bytes, secrets: Sequence[str], moment: int) -> str:
    """The Stripe-Signature header: one `v1` for each secret that is valid just now."""
    signed = str(moment).encode() + b"." + payload
    digests = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={moment}", *(f"v1={digest}" for digest in digests)])


def succeeded(status: int | None) -> bool:
    """Whether an endpoint's answer acknowledges an event: any 2xx."""
    return status is not None and 200 <= status < 300


class Courier:
    """Sends what is due, up to sixteen at once and in no promised order, until stopped."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._settings = sandbox.settings
        self._wake = asyncio.Event()
        self._progress = asyncio.Condition()
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None

    def wake(self) -> None:
        """Look at the queue now: something may have been added."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled; whatever is in flight then stays in the queue."""
        timeout = aiohttp.ClientTimeout(total=self._settings.webhook_timeout)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            try:
                while True:
                    self._wake.clear()
                    self._start_due()
                    await self._rest()
            finally:
                await self._stop()

    async def send_now(self, delivery: Delivery) -> None:
        """One attempt at once, whatever its state; returns when it has been answered or has failed."""
        if delivery.id not in self._busy:
            self._busy[delivery.id] = asyncio.create_task(self._attempt(delivery))
        await self._busy[delivery.id]

    async def answered(self, event: str, patience: float) -> bool:
        """Wait until every endpoint has acknowledged the event; False when patience ends or nobody will."""
        async with self._progress:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._progress.wait_for(lambda: not self._waiting(event)), patience)
        return self._acknowledged(event)

    def _waiting(self, event: str) -> bool:
        return any(delivery.state == "pending" for delivery in self._of(event))

    def _acknowledged(self, event: str) -> bool:
        return all(delivery.state == "delivered" for delivery in self._of(event))

    def _of(self, event: str) -> list[Delivery]:
        with self._sandbox.view() as context:
            return context.deliveries.of_event(event)

    def _start_due(self) -> None:
        free = _AT_ONCE - len(self._busy)
        with self._sandbox.view() as context:
            due = context.deliveries.due(time.time(), free, list(self._busy))
        for delivery in due:
            self._busy[delivery.id] = asyncio.create_task(self._attempt(delivery))

    async def _rest(self) -> None:
        with self._sandbox.view() as context:
            upcoming = context.deliveries.next_attempt(list(self._busy))
        pause = _IDLE_SECONDS if upcoming is None else max(0.0, upcoming - time.time())
        if len(self._busy) >= _AT_ONCE:
            pause = _IDLE_SECONDS
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), min(pause, _IDLE_SECONDS))

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            status, error = await self._post(delivery)
            self._write_down(delivery, status, error)
        finally:
            self._busy.pop(delivery.id, None)
            self._wake.set()
        async with self._progress:
            self._progress.notify_all()

    async def _post(self, delivery: Delivery) -> tuple[int | None, str | None]:
        """The status of the answer (None without one), and what was wrong with it."""
        with self._sandbox.view() as context:
            endpoint = context.objects.find(delivery.endpoint)
            event = context.objects.find(delivery.event)
            if endpoint is None or event is None:
                return None, "The endpoint has been deleted."
            secrets = context.objects.private(delivery.endpoint)["secrets"]
            payload = json.dumps(public_event(context, event), indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(payload, secrets, int(time.time())),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            # A redirect is a failed delivery at Stripe, so it is not followed.
            async with self._open().post(
                endpoint["url"], data=payload, headers=headers, allow_redirects=False
            ) as answer:
                text = await answer.text(errors="replace")
                return answer.status, None if succeeded(answer.status) else text[:500]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            return None, f"{type(problem).__name__}: {problem}"

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the courier is not running")
        return self._session

    def _write_down(self, delivery: Delivery, status: int | None, error: str | None) -> None:
        backoff = min(self._settings.webhook_retry * 2**delivery.attempts, _LONGEST_BACKOFF)
        with self._sandbox.change() as context:
            state = "delivered" if succeeded(status) else self._after_failure(context, delivery)
            context.deliveries.attempted(
                delivery.id, state, status=status, error=error, next_attempt=time.time() + backoff
            )
        if state != "delivered":
            log.warning("%s to %s: %s", delivery.event, delivery.endpoint, error or status)

    def _after_failure(self, context: Context, delivery: Delivery) -> str:
        """A delivery sent by hand stays what it was; one of the queue is tried again, for three days."""
        if delivery.state != "pending":
            return delivery.state
        event = context.objects.find(delivery.event)
        reachable = context.objects.find(delivery.endpoint) is not None
        young = event is not None and time.time() - event["created"] < _GIVE_UP_AFTER
        return "pending" if reachable and young else "failed"

    async def _stop(self) -> None:
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)
