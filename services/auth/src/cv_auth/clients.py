"""What auth tells others: whom the things of an anonymous session belong to from now on."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.http import ServiceClient

log = logging.getLogger(__name__)

_WITHIN = 1.0
"""Seconds that a login waits at most."""


class SessionKeepers:
    """The services that keep things for anonymous sessions."""

    def __init__(self, clients: Sequence[ServiceClient]) -> None:
        self._clients = clients

    async def claim(self, session_id: str, user_id: int) -> None:
        """Have every one of them give the session's things to the account, all at once.

        Never fails: who does not answer in time learns the same from the event.
        """
        await self._post_all(f"/internal/sessions/{session_id}/claim/", {"user_id": user_id})

    async def merge(self, session_ids: Sequence[str], into_session_id: str) -> None:
        """Have every one of them give the things of some sessions to another one. Never fails, as `claim`."""
        body = {"into_session_id": into_session_id}
        await asyncio.gather(*(self._post_all(f"/internal/sessions/{each}/merge/", body) for each in session_ids))

    async def _post_all(self, path: str, body: Mapping[str, str | int]) -> None:
        await asyncio.gather(*(self._post(client, path, body) for client in self._clients))

    async def _post(self, client: ServiceClient, path: str, body: Mapping[str, str | int]) -> None:
        try:
            reply = await client.post(path, body, _WITHIN)
        except ServiceUnavailable:
            log.warning("the end of a session is left to its event", extra={"peer": client.name})
            return
        if reply.status != 204:
            log.warning(
                "the end of a session is left to its event", extra={"peer": client.name, "status": reply.status}
            )
