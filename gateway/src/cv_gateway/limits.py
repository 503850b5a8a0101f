"""How often somebody may ask: counted by address, by user or session, and by the account that is tried.

The figures are `RATE_LIMITS` of the settings; the counting is the library `limits`, in fixed windows. Counters live in
this process, or in Valkey or Redis for all replicas together. A store that is away stops nobody: until it is back,
each process counts for itself.
"""

import hashlib
import logging
import math
import time
import unicodedata
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from cv_common.drf.addresses import normalized_email
from limits import RateLimitItem, parse
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string
from valkey.asyncio import ConnectionPool

from cv_gateway.errors import Throttled
from cv_gateway.request import Request
from cv_gateway.routing import READING, Route
from cv_gateway.settings import RateLimits, Settings, TrustedNetworks, Whose

_STORE_PATIENCE = 0.5
"""Seconds that a shared store may take for an answer."""
_STORE_PAUSE = 5
"""Seconds before a shared store that failed is asked again."""
_SWEEP_EVERY = 10

log = logging.getLogger(__name__)


def _mailbox(account: str) -> str:
    """An account's address in the one spelling that is counted, however it was typed."""
    return normalized_email(unicodedata.normalize("NFC", account.strip())).casefold()


class Limits:
    """Counts requests, and refuses those over the figures. Each method raises Throttled."""

    def __init__(self, settings: Settings) -> None:
        self._figures = _parsed(settings.rate_limits) if settings.rate_limits_enabled else {}
        self._trusted = settings.trusted_proxies
        self._counters = _Counters(settings.rate_limits_url)

    async def check_address(self, request: Request, route: Route) -> None:
        """Count a request against the network address it comes from, before anything else is done for it."""
        if self._figures:
            await self._count(request, route, "address", client_network(request, self._trusted))

    async def check_caller(self, request: Request, route: Route, caller: str | None) -> None:
        """Count a request against the user or the anonymous session it speaks for; a new visitor is neither."""
        if self._figures and caller is not None:
            await self._count(request, route, "caller", caller)

    async def check_account(self, request: Request, route: Route, account: str) -> None:
        """Count a try at an account's password, by address: nobody is locked out by what others try elsewhere."""
        if self._figures:
            address = client_network(request, self._trusted)
            # Hashed, so that no store of counters holds e-mail addresses.
            digest = hashlib.sha256(_mailbox(account).encode("utf-8", "replace")).hexdigest()
            await self._count(request, route, "account", f"{address}:{digest}")

    async def _count(self, request: Request, route: Route, whose: Whose, key: str) -> None:
        for name in route.limits if request.method in READING else (*route.limits, *route.write_limits):
            item = self._figures.get((name, whose))
            if item is not None and (wait := await self._counters.hit(item, name, whose, key)) is not None:
                raise Throttled(max(1, math.ceil(wait)))


def client_network(request: Request, trusted: TrustedNetworks) -> str:
    """What belongs to one customer of the address a request comes from: an IPv4 address, or the /64 of an IPv6 one."""
    address = client_address(request, trusted)
    parsed = _parsed_address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, 64), strict=False))
    return str(parsed or address)


def client_address(request: Request, trusted: TrustedNetworks) -> str:
    """The address a request comes from: the peer's, or what trusted proxies in front of us say of it."""
    address = request.peer
    said = request.headers.get(b"x-forwarded-for", b"").decode("latin-1")
    hops = [hop.strip() for hop in said.split(",") if hop.strip()]
    while hops and _is_trusted(address, trusted):
        address = hops.pop()
    return address


def _is_trusted(address: str, trusted: TrustedNetworks) -> bool:
    parsed = _parsed_address(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed_address(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _parsed(figures: RateLimits) -> dict[tuple[str, str], RateLimitItem]:
    return {(name, whose): parse(rate) for name, rates in figures.items() for whose, rate in rates.items()}


class _Counters:
    """Counts hits: in the shared store while that answers, else here."""

    def __init__(self, url: str | None) -> None:
        self._own = FixedWindowRateLimiter(_Memory())
        self._connections = _connections(url) if url else None
        self._shared = _shared(self._connections) if self._connections else None
        self._resumes_at = 0.0

    async def hit(self, item: RateLimitItem, *key: str) -> float | None:
        """None when the hit is within the limit, else the seconds until the next one may be."""
        if self._connections and self._shared and time.monotonic() >= self._resumes_at:
            try:
                return await _hit(self._shared, item, *key)
            except StorageError as error:
                self._resumes_at = time.monotonic() + _STORE_PAUSE
                log.warning("the shared rate limits do not answer", extra={"error": repr(error.storage_error)})
                # Each of the idle connections would cost another request its time if the store vanished silently.
                await self._connections.disconnect(inuse_connections=False)
        return await _hit(self._own, item, *key)


async def _hit(limiter: FixedWindowRateLimiter, item: RateLimitItem, *key: str) -> float | None:
    if await limiter.hit(item, *key):
        return None
    return (await limiter.get_window_stats(item, *key)).reset_time - time.time()


def _connections(url: str) -> ConnectionPool:
    # The client for Valkey speaks with Redis too.
    scheme = "valkeys" if url.startswith(("rediss:", "valkeys:")) else "valkey"
    return ConnectionPool.from_url(
        f"{scheme}:{url.partition(':')[2]}", socket_timeout=_STORE_PATIENCE, socket_connect_timeout=_STORE_PATIENCE
    )


def _shared(connections: ConnectionPool) -> FixedWindowRateLimiter:
    # The library connects through the pool, whatever the address.
    options: dict[str, Any] = {"connection_pool": connections}
    storage = storage_from_string("async+valkey://", wrap_exceptions=True, **options)
    assert isinstance(storage, Storage), "an async scheme names an async storage"
    return FixedWindowRateLimiter(storage)


class _Memory(Storage):
    """Counters of this process. The library's own walks over all of its counters at every hit."""

    STORAGE_SCHEME = None
    base_exceptions = ValueError

    def __init__(self) -> None:
        super().__init__()
        self._counters: dict[str, tuple[int, float]] = {}
        self._swept_at = time.time()

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = time.time()
        self._sweep(now)
        count, until = self._counters.get(key, (0, 0.0))
        if until <= now:
            count, until = 0, now + expiry
        self._counters[key] = (count + amount, until)
        return count + amount

    async def get(self, key: str) -> int:
        count, until = self._counters.get(key, (0, 0.0))
        return count if until > time.time() else 0

    async def get_expiry(self, key: str) -> float:
        return self._counters.get(key, (0, time.time()))[1]

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        known = len(self._counters)
        self._counters.clear()
        return known

    async def clear(self, key: str) -> None:
        self._counters.pop(key, None)

    def _sweep(self, now: float) -> None:
        if now - self._swept_at > _SWEEP_EVERY:
            self._counters = {key: counter for key, counter in self._counters.items() if counter[1] > now}
            self._swept_at = now
