"""Admission control: requests in progress, bytes of uploads in flight, and the minimum transfer rate.

A limit counts per service. Webhooks have a count of their own: they come in bursts, and neither wait for other requests
nor delay them. A client network has a share of each limit, enforced while rate limits are enabled.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import TypeAlias

from cv_common.kernel.errors import ServiceUnavailable

from cv_gateway.errors import Throttled
from cv_gateway.request import Request
from cv_gateway.routing import Route
from cv_gateway.settings import Settings

_SLOT_RETRY_AFTER = 1
_UPLOAD_RETRY_AFTER = 5
"""Seconds, sent as `Retry-After`."""


_Key: TypeAlias = tuple[str | bool, ...]


@contextmanager
def _hold(usage: Counter[_Key], amount: int, *keys: _Key) -> Iterator[None]:
    """Add `amount` to the usage of each key until the block ends."""
    for key in keys:
        usage[key] += amount
    try:
        yield
    finally:
        for key in keys:
            usage[key] -= amount
            if not usage[key]:
                del usage[key]  # otherwise one entry per client network would remain


def _keys(request: Request, route: Route) -> tuple[_Key, _Key]:
    """Return the keys of a request's service and of its client network at that service."""
    service = (route.service.name, route.is_webhook)
    return service, (*service, request.client_network)


class ConcurrencyLimiter:
    """Limits the requests in progress at each service, so that a slow service delays no other."""

    def __init__(self, settings: Settings) -> None:
        self._limits_clients = settings.rate_limits_enabled
        self._usage = Counter[_Key]()

    def acquire(self, request: Request, route: Route) -> AbstractContextManager[None]:
        """Return a context manager that holds a slot.

        Raises ServiceUnavailable if the service has no free slot, Throttled if the client network has none.
        """
        service, client = _keys(request, route)
        if self._usage[service] >= route.max_concurrent:
            raise ServiceUnavailable
        if self._limits_clients and self._usage[client] >= route.max_concurrent_per_client:
            raise Throttled(_SLOT_RETRY_AFTER)
        return _hold(self._usage, 1, service, client)


class UploadBudget:
    """Limits the announced bytes of the streamed bodies that are in flight to each service.

    A service holds the received part of a body in memory, or in a /tmp that is memory too. A few dozen unfinished
    uploads, which need no account, would fill it.
    """

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.long_bodies
        self._client_limit = settings.long_bodies_per_address if settings.rate_limits_enabled else self._limit
        self._max_wait = settings.long_body_patience
        self._usage = Counter[_Key]()
        self._released = asyncio.Event()

    @asynccontextmanager
    async def reserve(self, request: Request, route: Route, size: int) -> AsyncIterator[None]:
        """Hold `size` bytes of the budget; waits for free ones, then raises ServiceUnavailable or Throttled."""
        service, client = _keys(request, route)
        try:
            async with asyncio.timeout(self._max_wait):
                while not (self._fits(client, size, self._client_limit) and self._fits(service, size, self._limit)):
                    await self._released.wait()
        except TimeoutError:
            if not self._fits(service, size, self._limit):
                raise ServiceUnavailable(retry_after=_UPLOAD_RETRY_AFTER) from None
            raise Throttled(_UPLOAD_RETRY_AFTER) from None
        try:
            with _hold(self._usage, size, service, client):
                yield
        finally:
            self._released.set()
            self._released = asyncio.Event()

    def _fits(self, key: _Key, size: int, limit: int) -> bool:
        """Return whether `size` more bytes are within the limit. A single upload always is."""
        return not self._usage[key] or self._usage[key] + size <= limit


class MinimumRate:
    """The minimum rate of a transfer: the client may be at most `grace` seconds behind `rate` bytes a second.

    Time that the client is ahead is not saved up: a fast start must not pay for a stall.
    """

    def __init__(self, grace: float, rate: int) -> None:
        self._grace, self._rate = grace, rate
        self.remaining = grace
        """Seconds that the client may take for the next bytes."""

    def record(self, seconds: float, size: int) -> None:
        self.remaining = min(self._grace, self.remaining - seconds + size / self._rate)
