"""A visitor's HTTP client: it counts answers, checks their shapes, and returns None for a lost answer."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

from dev.chaos.ledger import MISBEHAVED, Ledger

PASSING = (502, 503, 504)
"""Answers under faults: whether the request took effect is unknown."""
_LONGEST = 40.0
"""Seconds; longer than any deadline of the gateway."""

Result = TypeVar("Result")


class Browser:
    """Cookies and a token of one visitor."""

    def __init__(self, public_url: str, ledger: Ledger, dice: random.Random) -> None:
        self.url = public_url
        self._ledger = ledger
        self._dice = dice
        self._client = httpx.AsyncClient(base_url=public_url, timeout=_LONGEST)
        self.token: str | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    @property
    def has_session(self) -> bool:
        """Whether the visitor was given a session."""
        return "sessionid" in self._client.cookies

    async def ask(self, method: str, path: str, *, expect: tuple[int, ...], **options: Any) -> httpx.Response | None:
        """The answer; None when there was none, or one of PASSING. An answer that is not expected is noted."""
        headers = httpx.Headers(options.pop("headers", None))
        if self.token and not path.startswith("http"):
            headers["Authorization"] = f"Bearer {self.token}"
        began = time.monotonic()
        try:
            answer = await self._client.request(method, path, headers=headers, **options)
        except httpx.HTTPError as error:
            self._ledger.answered("no answer", time.monotonic() - began, f"{method} {path} ({type(error).__name__})")
            return None
        self._ledger.answered(str(answer.status_code), time.monotonic() - began, f"{method} {path}")
        said = f"{method} {path}: {answer.status_code} {answer.text[:300] if _is_text(answer) else ''}"
        if answer.status_code in PASSING:
            if not _is_error(answer):
                self._ledger.note(MISBEHAVED, f"not in the contract's shape: {said}")
            return None
        if answer.status_code not in expect:
            self._ledger.note(MISBEHAVED, f"unexpected: {said}")
        elif answer.status_code >= 400 and not _is_error(answer):
            self._ledger.note(MISBEHAVED, f"not in the contract's shape: {said}")
        return answer

    async def insist(self, attempt: Callable[[], Awaitable[Result | None]], patience: float = 60.0) -> Result | None:
        """Attempt until there is an answer; None when patience ends first."""
        deadline = time.monotonic() + patience
        result = await attempt()
        while result is None and time.monotonic() < deadline:
            await asyncio.sleep(self._dice.uniform(0.3, 1.5))
            result = await attempt()
        return result


def _is_text(answer: httpx.Response) -> bool:
    return "json" in answer.headers.get("content-type", "") or "text" in answer.headers.get("content-type", "")


def _is_error(answer: httpx.Response) -> bool:
    """Whether it is DRF's shape: a `detail`, or lists of messages by field."""
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
