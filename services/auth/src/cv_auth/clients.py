"""HTTP calls to the services that store data of anonymous sessions."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.http import ServiceClient

log = logging.getLogger(__name__)

_TIMEOUT = 1.0
"""Seconds that a login waits at most."""


class SessionClaimClient:
    """Transfers the data of anonymous sessions in all services that store some.

    The methods never fail: a service that does not answer in time applies the event for the same change.
    """

    def __init__(self, clients: Sequence[ServiceClient]) -> None:
        self._clients = clients

    async def claim(self, session_id: str, user_id: int) -> None:
        """Transfer the session's data to the account, in all services concurrently."""
        await self._post_all(f"/internal/sessions/{session_id}/claim/", {"user_id": user_id})

    async def merge(self, session_ids: Sequence[str], into_session_id: str) -> None:
        """Transfer the data of `session_ids` to `into_session_id`, in all services concurrently."""
        body = {"into_session_id": into_session_id}
        await asyncio.gather(*(self._post_all(f"/internal/sessions/{each}/merge/", body) for each in session_ids))

    async def _post_all(self, path: str, body: Mapping[str, str | int]) -> None:
        await asyncio.gather(*(self._post(client, path, body) for client in self._clients))

    async def _post(self, client: ServiceClient, path: str, body: Mapping[str, str | int]) -> None:
        status = None
        with suppress(ServiceUnavailable):
            status = (await client.post(path, body, _TIMEOUT)).status
        if status != 204:
            log.warning(
                "session transfer failed; the event will repeat it", extra={"peer": client.name, "status": status}
            )
