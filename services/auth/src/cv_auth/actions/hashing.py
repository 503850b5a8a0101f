"""Argon2id, off the event loop and bounded: a flood of logins fills a short queue, never the machine."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import TypeVar

import argon2
from argon2.exceptions import VerifyMismatchError
from cv_common.kernel.errors import ServiceUnavailable

_T = TypeVar("_T")

# The least that OWASP's password storage cheat sheet asks for; about 27 ms of a core.
_ARGON2ID = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class PasswordHasher:
    """Hashes and verifies passwords on `workers` threads (argon2 lets go of the GIL); `queue` more may wait."""

    name = "password hasher"

    def __init__(self, workers: int, queue: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._limit = workers + queue
        self._taken = 0
        self._nobody = _ARGON2ID.hash(token_hex(16))

    async def start(self) -> None:
        """Threads come when they are needed."""

    async def stop(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def check(self) -> str | None:
        """A full queue is said to those who wait, not to the operator."""
        return None

    async def hash(self, password: str) -> str:
        """A new hash. Raises ServiceUnavailable when too many wait, as all methods do."""
        return await self._run(lambda: _ARGON2ID.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Is this the password? Without a hash, for an unknown person, it takes as long to find that it is not."""
        return await self._run(lambda: _matches(password_hash or self._nobody, password))

    async def improved(self, password_hash: str, password: str) -> str | None:
        """A new hash in place of one made with other parameters than today's; None when it is as it should be."""
        return await self.hash(password) if _ARGON2ID.check_needs_rehash(password_hash) else None

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._taken >= self._limit:
            raise ServiceUnavailable("Too many requests at once, try again later.", retry_after=1)
        self._taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._taken -= 1


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _ARGON2ID.verify(password_hash, password)
    except VerifyMismatchError:
        return False
