"""The public keys of access tokens: fetched from auth periodically, and when a token names an unknown key."""

import asyncio
import logging
import time

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cv_common.kernel.errors import ServiceUnavailable

from cv_gateway.routing import Service
from cv_gateway.upstream_client import FetchError, UpstreamClient

_REFRESH_INTERVAL = 300
"""Seconds after which a revoked key is no longer accepted."""
_MIN_FETCH_INTERVAL = 5
"""Seconds between two fetches, so that tokens with invented key ids do not overload auth."""
_RETRY_INTERVAL = 1

log = logging.getLogger(__name__)


class JwksClient:
    """Auth's Ed25519 keys by key id."""

    def __init__(self, client: UpstreamClient, auth: Service) -> None:
        self._client = client
        self._auth = auth
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._last_fetch_succeeded = False
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()
        self.generation = 0
        """Incremented when the set of keys changes, so that results of an old key are dropped."""

    @property
    def has_keys(self) -> bool:
        return bool(self._keys)

    async def find(self, key_id: str) -> Ed25519PublicKey | None:
        """Return a key, or None if auth has no such key. Raises ServiceUnavailable if the last fetch failed."""
        if key_id not in self._keys:
            async with self._lock:
                is_recent = time.monotonic() - self._fetched_at < _MIN_FETCH_INTERVAL
                if key_id not in self._keys and not is_recent:
                    await self._fetch()
            if not self._last_fetch_succeeded:
                raise ServiceUnavailable
        return self._keys.get(key_id)

    async def refresh_periodically(self) -> None:
        """Fetch the keys now and every five minutes, until canceled."""
        while True:
            async with self._lock:
                await self._fetch()
            await asyncio.sleep(_REFRESH_INTERVAL if self._last_fetch_succeeded else _RETRY_INTERVAL)

    async def _fetch(self) -> None:
        self._fetched_at = time.monotonic()
        try:
            jwks = jwt.PyJWKSet.from_dict(await self._client.fetch_json(self._auth, "/.well-known/jwks.json"))
        except (FetchError, jwt.PyJWTError) as error:
            if self._last_fetch_succeeded or not self._keys:
                log.warning("fetching the keys of access tokens failed", extra={"reason": repr(error)})
            self._last_fetch_succeeded = False
            return
        self._last_fetch_succeeded = True
        keys = {jwk.key_id: jwk.key for jwk in jwks if jwk.key_id and isinstance(jwk.key, Ed25519PublicKey)}
        if keys != self._keys:
            self.generation += 1
            log.info("keys of access tokens", extra={"key_ids": sorted(keys)})
        self._keys = keys
