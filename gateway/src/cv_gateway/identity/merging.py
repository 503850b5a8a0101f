"""Merging of the sessions of one client: auth chooses the remaining session and notifies the services."""

import asyncio
import logging
from dataclasses import replace

import aiohttp
import orjson
from cv_common.kernel.errors import ApiError
from cv_common.kernel.identity import IDENTITY_HEADER, REQUEST_ID_HEADER
from multidict import CIMultiDict

from cv_gateway.identity.authenticator import Authenticator, Principal
from cv_gateway.request import Request
from cv_gateway.routing import Service
from cv_gateway.upstream_client import UpstreamClient

_PATH = "/sessions/merge/"
_TIMEOUT = 3.0
"""Seconds. Auth gives each of its own calls to the services one."""
_MAX_CONCURRENT = 16
"""Merges run before the concurrency limit of the requests themselves."""

log = logging.getLogger(__name__)


class SessionMerger:
    """Has auth merge the sessions in the cookies of a request."""

    def __init__(self, client: UpstreamClient, auth: Service, authenticator: Authenticator) -> None:
        self._client = client
        self._auth = auth
        self._authenticator = authenticator
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT)

    async def merge(self, request: Request, principal: Principal) -> Principal:
        """Return the principal with the remaining session.

        If auth is unavailable or too many merges are in progress, the principal is returned unchanged and keeps its
        marks, so that a later request merges.
        """
        unmerged = principal.unmerged
        if principal.session_id is None or not unmerged or self._slots.locked():
            return principal
        try:
            async with self._slots, asyncio.timeout(_TIMEOUT):
                remaining = await self._request_merge(request, principal, [principal.session_id, *unmerged])
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError, TypeError) as error:
            log.warning("merging sessions failed", extra={"reason": repr(error)})
            return principal
        merged = tuple(each for each in (principal.session_id, *unmerged) if each != remaining)
        marked = tuple(each for each in principal.marked if each == remaining)
        return replace(principal, session_id=remaining, marked=marked, merged=merged)

    async def _request_merge(self, request: Request, principal: Principal, session_ids: list[str]) -> str:
        identity = self._authenticator.identity_token(principal, self._auth)
        headers = CIMultiDict(
            {IDENTITY_HEADER: identity, REQUEST_ID_HEADER: request.id, "Content-Type": "application/json"}
        )
        payload = orjson.dumps({"session_ids": session_ids})
        response = await self._client.send(self._auth, "POST", _PATH, headers, payload, _TIMEOUT)
        try:
            remaining = orjson.loads(await response.read())["session_id"]
        finally:
            response.release()
        if remaining not in session_ids:
            raise ValueError("auth returned an unknown session")
        return str(remaining)
