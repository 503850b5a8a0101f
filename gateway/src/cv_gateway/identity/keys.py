"""The public keys that auth publishes: fetched, kept, fetched again when a token names one that is not known."""

import asyncio
import logging
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.identity import public_key

from cv_gateway.services import Services, Unanswered

_REFRESH_EVERY = 300
"""Seconds: how soon a key that auth withdrew stops being believed."""
_AT_MOST_EVERY = 5
"""Seconds between two fetches, so that tokens with invented key ids cannot keep auth busy."""
_RETRY_EVERY = 1

log = logging.getLogger(__name__)


class PublishedKeys:
    """Auth's Ed25519 keys by key id."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._reached = False
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()
        self.generation = 0
        """Raised whenever the set of keys changes, so that what an old key proved can be forgotten."""

    @property
    def known(self) -> bool:
        """Whether at least one key is known, so that a token can be told good from bad."""
        return bool(self._keys)

    async def find(self, key_id: str) -> Ed25519PublicKey | None:
        """A key, or None if auth publishes no such key. Raises ServiceUnavailable if auth cannot be asked."""
        if key_id not in self._keys:
            await self._fetch_unless_recent(key_id)
            if not self._reached:
                raise ServiceUnavailable
        return self._keys.get(key_id)

    async def keep_fresh(self) -> None:
        """Fetch the keys now and every few minutes, until cancelled."""
        while True:
            async with self._fetching:
                await self._fetch()
            await asyncio.sleep(_REFRESH_EVERY if self._reached else _RETRY_EVERY)

    async def _fetch_unless_recent(self, wanted: str) -> None:
        async with self._fetching:
            recent = time.monotonic() - self._tried_at < _AT_MOST_EVERY
            if wanted not in self._keys and not recent:
                await self._fetch()

    async def _fetch(self) -> None:
        self._tried_at = time.monotonic()
        try:
            keys = _parse(await self._services.ask_json("auth", "/.well-known/jwks.json"))
        except (Unanswered, AttributeError, KeyError, TypeError, ValueError) as error:
            if self._reached or not self._keys:
                log.warning("the keys of access tokens could not be fetched", extra={"reason": repr(error)})
            self._reached = False
            return
        self._reached = True
        if keys != self._keys:
            self.generation += 1
            log.info("keys of access tokens", extra={"key_ids": sorted(keys)})
        self._keys = keys


def _parse(jwks: Any) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JWKS by key id. Raises AttributeError, KeyError, TypeError or ValueError."""
    return {
        key["kid"]: public_key(key["x"])
        for key in jwks["keys"]
        if key.get("kty") == "OKP" and key.get("crv") == "Ed25519"
    }
