"""Places at a service: only so many requests wait for it at a time, and only so many of them are one address's."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from cv_common.kernel.errors import ServiceUnavailable

from cv_gateway.errors import Throttled
from cv_gateway.limits import client_network
from cv_gateway.request import Request
from cv_gateway.routing import Route
from cv_gateway.settings import Settings

_RETRY_AFTER = 1


class Places:
    """Keeps account of the requests that are under way, until each has been answered to its end."""

    def __init__(self, settings: Settings) -> None:
        self._trusted, self._shared = settings.trusted_proxies, settings.rate_limits_enabled
        self._under_way = Counter[tuple[str, ...]]()

    @contextmanager
    def place(self, request: Request, route: Route) -> Iterator[None]:
        """Admit one request. Raises ServiceUnavailable if all slots are taken, Throttled beyond its address's share."""
        service = (route.service, route.lane)
        address = (*service, client_network(request, self._trusted))
        if self._under_way[service] >= route.at_once:
            raise ServiceUnavailable
        if self._shared and self._under_way[address] >= route.at_once_per_address:
            raise Throttled(_RETRY_AFTER)
        self._count(1, service, address)
        try:
            yield
        finally:
            self._count(-1, service, address)

    def _count(self, change: int, *whose: tuple[str, ...]) -> None:
        for key in whose:
            self._under_way[key] += change
            if not self._under_way[key]:
                del self._under_way[key]  # addresses are many
