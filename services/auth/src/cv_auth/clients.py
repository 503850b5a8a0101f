"""What auth tells others: which account an anonymous session belongs to from now on."""

import asyncio
import logging
from collections.abc import Sequence

from cv_common.errors import Unavailable
from cv_common.http import ServiceClient

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
        await asyncio.gather(*(self._claim_at(client, session_id, user_id) for client in self._clients))

    async def _claim_at(self, client: ServiceClient, session_id: str, user_id: int) -> None:
        try:
            reply = await client.post(f"/internal/sessions/{session_id}/claim/", {"user_id": user_id}, _WITHIN)
        except Unavailable:
            log.warning("a claim is left to its event", extra={"peer": client.name})
            return
        if reply.status != 204:
            log.warning("a claim is left to its event", extra={"peer": client.name, "status": reply.status})
