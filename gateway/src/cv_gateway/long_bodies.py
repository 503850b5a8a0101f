"""Long bodies on their way: only so many bytes of them at a time, to one service and from one address.

A service holds what has arrived of a body, in memory or in a /tmp that is memory too. A few dozen uploads that are
begun and never ended, which takes no account, would fill it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cv_common.kernel.errors import ServiceUnavailable

from cv_gateway.errors import Throttled
from cv_gateway.limits import client_network
from cv_gateway.request import Request
from cv_gateway.routing import Route
from cv_gateway.settings import Settings

_RETRY_AFTER = 5


class LongBodies:
    """Keeps account of the bytes that long bodies announced, until each has been answered."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.long_bodies
        self._share = settings.long_bodies_per_address if settings.rate_limits_enabled else self._limit
        self._patience, self._trusted = settings.long_body_patience, settings.trusted_proxies
        self._under_way = Counter[tuple[str, ...]]()
        self._fewer = asyncio.Event()

    @asynccontextmanager
    async def room(self, request: Request, route: Route, length: int) -> AsyncIterator[None]:
        """Reserve bytes, waiting for free ones. Raises Throttled or ServiceUnavailable after a while."""
        service = (route.service, route.lane)
        address = (*service, client_network(request, self._trusted))
        try:
            async with asyncio.timeout(self._patience):
                while not (self._fits(address, length, self._share) and self._fits(service, length, self._limit)):
                    await self._fewer.wait()
        except TimeoutError:
            full = not self._fits(service, length, self._limit)
            raise (ServiceUnavailable(retry_after=_RETRY_AFTER) if full else Throttled(_RETRY_AFTER)) from None
        self._count(length, service, address)
        try:
            yield
        finally:
            self._count(-length, service, address)
            self._fewer.set()
            self._fewer = asyncio.Event()

    def _fits(self, whose: tuple[str, ...], length: int, limit: int) -> bool:
        """One alone always does."""
        under_way = self._under_way[whose]
        return not under_way or under_way + length <= limit

    def _count(self, length: int, *whose: tuple[str, ...]) -> None:
        for key in whose:
            self._under_way[key] += length
            if not self._under_way[key]:
                del self._under_way[key]  # addresses are many
