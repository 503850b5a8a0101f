"""Rate limits by client network, by user or session, and by the account of a login.

The library `limits` counts in fixed windows. The counters are in this process, or in Valkey or Redis for all replicas.
While that store is unavailable, each process counts for itself.
"""

import hashlib
import logging
import math
import time
import unicodedata

from cv_common.drf.addresses import normalized_email
from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from valkey.asyncio import ConnectionPool

from cv_gateway.errors import Throttled
from cv_gateway.request import Request
from cv_gateway.routing import SAFE_METHODS, Route
from cv_gateway.settings import RateLimitScope, Settings

_STORE_TIMEOUT = 0.5
_STORE_RETRY_AFTER = 5
"""Seconds until a failed shared store is used again."""
_SWEEP_INTERVAL = 10

log = logging.getLogger(__name__)


class RateLimiter:
    """Counts requests. The methods raise Throttled if a rate is exceeded."""

    def __init__(self, settings: Settings) -> None:
        limits = settings.rate_limits if settings.rate_limits_enabled else {}
        self._rates = {(name, scope): parse(rate) for name, rates in limits.items() for scope, rate in rates.items()}
        self._counters = _Counters(settings.rate_limits_url)

    async def check(self, request: Request, route: Route, scope: RateLimitScope, key: str) -> None:
        """Count a request for `key`, by the rates of its route in `scope`."""
        is_safe = request.method in SAFE_METHODS
        for name in route.rate_limits if is_safe else (*route.rate_limits, *route.write_rate_limits):
            rate = self._rates.get((name, scope))
            if rate is not None and (wait := await self._counters.hit(rate, name, scope, key)) is not None:
                raise Throttled(max(1, math.ceil(wait)))

    async def check_account(self, request: Request, route: Route, email: str) -> None:
        """Count a login to an account by client network, so that attempts elsewhere do not lock out its owner."""
        if self._rates:
            mailbox = normalized_email(unicodedata.normalize("NFC", email.strip())).casefold()
            # Hashed, so that no store contains e-mail addresses.
            digest = hashlib.sha256(mailbox.encode("utf-8", "replace")).hexdigest()
            await self.check(request, route, "account", f"{request.client_network}:{digest}")


class _Counters:
    """Counts hits in the shared store, or in this process while there is none."""

    def __init__(self, url: str | None) -> None:
        self._local = FixedWindowRateLimiter(_LocalStorage())
        self._shared: FixedWindowRateLimiter | None = None
        self._retry_at = 0.0
        if url:
            # The Valkey client also works with Redis.
            scheme = "valkeys" if url.startswith(("rediss:", "valkeys:")) else "valkey"
            self._connections = ConnectionPool.from_url(
                f"{scheme}:{url.partition(':')[2]}",
                socket_timeout=_STORE_TIMEOUT,
                socket_connect_timeout=_STORE_TIMEOUT,
            )
            # The library takes the scheme of the address, and the pool instead of its host.
            self._shared = FixedWindowRateLimiter(
                RedisStorage("valkey://", True, connection_pool=self._connections)  # type: ignore[arg-type]  # not declared
            )

    async def hit(self, item: RateLimitItem, *key: str) -> float | None:
        """Return None if the hit is within the rate, else the seconds until the next one is allowed."""
        if self._shared and time.monotonic() >= self._retry_at:
            try:
                return await _hit(self._shared, item, *key)
            except StorageError as error:
                self._retry_at = time.monotonic() + _STORE_RETRY_AFTER
                log.warning("shared rate limits unavailable", extra={"error": repr(error.storage_error)})
                # If the store vanished silently, each idle connection would delay another request.
                await self._connections.disconnect(inuse_connections=False)
        return await _hit(self._local, item, *key)


async def _hit(limiter: FixedWindowRateLimiter, item: RateLimitItem, *key: str) -> float | None:
    if await limiter.hit(item, *key):
        return None
    return (await limiter.get_window_stats(item, *key)).reset_time - time.time()


class _LocalStorage(Storage):
    """Counters of this process. The memory storage of the library walks over all counters at every hit."""

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
        self._counters.clear()
        return None

    async def clear(self, key: str) -> None:
        self._counters.pop(key, None)

    def _sweep(self, now: float) -> None:
        if now - self._swept_at > _SWEEP_INTERVAL:
            self._counters = {key: counter for key, counter in self._counters.items() if counter[1] > now}
            self._swept_at = now
