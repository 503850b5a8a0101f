"""The sessions of one visitor become one: auth decides which remains, and tells the services."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

import aiohttp
import orjson
from cv_common.kernel.errors import ApiError
from cv_common.kernel.identity import IDENTITY_HEADER, REQUEST_ID_HEADER
from multidict import CIMultiDict

from cv_gateway.identity.visitors import Identities, Visitor
from cv_gateway.request import Request
from cv_gateway.services import Services

_PATH = "/sessions/merge/"
_WITHIN = 3.0
"""Seconds that a visitor waits for it: auth gives the services one of them."""
_AT_ONCE = 16
"""Merges that may be under way: they precede the limit on the requests of each service."""

log = logging.getLogger(__name__)


class SessionMerger:
    """Has auth merge the sessions that a visitor's cookies name."""

    def __init__(self, services: Services, identities: Identities) -> None:
        self._services = services
        self._identities = identities
        self._under_way = 0

    async def merge(self, request: Request, visitor: Visitor) -> Visitor:
        """The visitor with the one session that remains.

        While auth is unavailable or busy with other merges, the visitor stays as it is, and the marks remain.
        """
        unmerged = visitor.unmerged
        if visitor.session_id is None or not unmerged or self._under_way >= _AT_ONCE:
            return visitor
        self._under_way += 1
        try:
            async with asyncio.timeout(_WITHIN):
                remaining = await self._ask(request, visitor, [visitor.session_id, *unmerged])
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError, TypeError) as error:
            log.warning("sessions could not be merged", extra={"reason": repr(error)})
            return visitor
        finally:
            self._under_way -= 1
        merged = tuple(each for each in (visitor.session_id, *unmerged) if each != remaining)
        marked = tuple(each for each in visitor.marked if each == remaining)
        return replace(visitor, session_id=remaining, marked=marked, merged=merged)

    async def _ask(self, request: Request, visitor: Visitor, session_ids: list[str]) -> str:
        headers = CIMultiDict(
            {
                IDENTITY_HEADER: self._identities.token(visitor, "auth"),
                REQUEST_ID_HEADER: request.id,
                "Content-Type": "application/json",
            }
        )
        payload = orjson.dumps({"session_ids": session_ids})
        response = await self._services.send("auth", "POST", _PATH, headers, payload, _WITHIN)
        try:
            answer: Any = orjson.loads(await response.read())
            remaining = answer["session_id"]
        finally:
            response.release()
        if remaining not in session_ids:
            raise ValueError("auth named another session")
        return str(remaining)
