"""A visitor's HTTP client: counts responses, checks error bodies, and returns None for a lost response."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

from dev.chaos.ledger import BAD_RESPONSE, Ledger

UNAVAILABLE = (502, 503, 504)
"""Status codes during faults: the request may have taken effect or not."""
_TIMEOUT = 40.0
"""Seconds; longer than any timeout of the gateway."""

Result = TypeVar("Result")


class Browser:
    """The cookies and the token of one visitor."""

    def __init__(self, public_url: str, ledger: Ledger, rng: random.Random) -> None:
        self.url = public_url
        self._ledger = ledger
        self._rng = rng
        self._client = httpx.AsyncClient(base_url=public_url, timeout=_TIMEOUT)
        self.token: str | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def request(
        self, method: str, path: str, *, expect: tuple[int, ...], **options: Any
    ) -> httpx.Response | None:
        """Send a request. Returns None for no response or one of UNAVAILABLE. Records an unexpected response."""
        headers = httpx.Headers(options.pop("headers", None))
        if self.token and not path.startswith("http"):
            headers["Authorization"] = f"Bearer {self.token}"
        began = time.monotonic()
        try:
            answer = await self._client.request(method, path, headers=headers, **options)
        except httpx.HTTPError as error:
            self._ledger.count_response(
                "no response", time.monotonic() - began, f"{method} {path} ({type(error).__name__})"
            )
            return None
        self._ledger.count_response(str(answer.status_code), time.monotonic() - began, f"{method} {path}")
        found = f"{method} {path}: {answer.status_code} {answer.text[:300] if _is_text(answer) else ''}"
        if answer.status_code in UNAVAILABLE:
            if not _is_error(answer):
                self._ledger.record(BAD_RESPONSE, f"not in the shape of the contract: {found}")
            return None
        if answer.status_code not in expect:
            self._ledger.record(BAD_RESPONSE, f"unexpected: {found}")
        elif answer.status_code >= 400 and not _is_error(answer):
            self._ledger.record(BAD_RESPONSE, f"not in the shape of the contract: {found}")
        return answer

    async def retry(self, attempt: Callable[[], Awaitable[Result | None]], timeout: float = 60.0) -> Result | None:
        """Call `attempt` until it returns a response. Returns None after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        result = await attempt()
        while result is None and time.monotonic() < deadline:
            await asyncio.sleep(self._rng.uniform(0.3, 1.5))
            result = await attempt()
        return result


def _is_text(answer: httpx.Response) -> bool:
    return "json" in answer.headers.get("content-type", "") or "text" in answer.headers.get("content-type", "")


def _is_error(answer: httpx.Response) -> bool:
    """Return whether the body has DRF's shape: a `detail`, or lists of messages by field."""
    if answer.request.url.path.startswith("/media/"):
        return True
    try:
        body = answer.json()
    except ValueError:
        return False
    if isinstance(body, list):
        return all(isinstance(each, str) for each in body)
    if not isinstance(body, dict) or not body:
        return False
    return isinstance(body.get("detail"), str) or all(isinstance(each, list | dict) for each in body.values())
