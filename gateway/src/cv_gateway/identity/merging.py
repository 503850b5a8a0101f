"""The sessions of one visitor become one: auth decides which remains, and tells the services."""

import logging
from dataclasses import replace
from typing import Any

import aiohttp
import orjson
from cv_common.errors import ApiError
from cv_common.identity import IDENTITY_HEADER, REQUEST_ID_HEADER
from multidict import CIMultiDict

from cv_gateway.identity.visitors import Identities, Visitor
from cv_gateway.request import Request
from cv_gateway.services import Services

_PATH = "/sessions/merge/"
_WITHIN = 3.0
"""Seconds that a visitor waits for it: auth gives the services one of them."""

log = logging.getLogger(__name__)


class SessionMerger:
    """Has auth merge the sessions that a visitor's cookies name."""

    def __init__(self, services: Services, identities: Identities) -> None:
        self._services = services
        self._identities = identities

    async def merge(self, request: Request, visitor: Visitor) -> Visitor:
        """The visitor with the one session that remains. While auth cannot do it, as before: the marks stay."""
        others = visitor.others
        if visitor.session_id is None or not others:
            return visitor
        try:
            remaining = await self._ask(request, visitor, [visitor.session_id, *others])
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError, TypeError) as error:
            log.warning("sessions could not be merged", extra={"reason": repr(error)})
            return visitor
        dropped = tuple(each for each in (visitor.session_id, *others) if each != remaining)
        marked = tuple(each for each in visitor.marked if each == remaining)
        return replace(visitor, session_id=remaining, marked=marked, dropped=dropped)

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
