"""Argon2id on a thread pool with a bounded queue, so that a flood of logins cannot exhaust the machine."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import TypeVar

import argon2
from argon2.exceptions import VerifyMismatchError
from cv_common.kernel.errors import ServiceUnavailable

_T = TypeVar("_T")

# The minimum of OWASP's password storage cheat sheet; a hash takes about 27 ms of a core.
_ARGON2ID = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class PasswordHasher:
    """Hashes and verifies passwords on `workers` threads (argon2 releases the GIL); at most `queue` more calls wait.

    Every method raises ServiceUnavailable if the queue is full.
    """

    name = "password hasher"

    def __init__(self, workers: int, queue: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._limit = workers + queue
        self._pending = 0
        self._dummy_hash = _ARGON2ID.hash(token_hex(16))

    async def start(self) -> None:
        """Do nothing: the pool starts threads on demand."""

    async def stop(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def check(self) -> str | None:
        """Return None: a full queue answers 503 to its clients and is no failure of the service."""
        return None

    async def hash(self, password: str) -> str:
        """Return a new hash."""
        return await self._run(lambda: _ARGON2ID.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Return whether the password matches the hash. None, an unknown account, takes as long and never matches."""
        return await self._run(lambda: _matches(password_hash or self._dummy_hash, password))

    async def rehash_if_needed(self, password_hash: str, password: str) -> str | None:
        """Return a new hash if the given one was made with other parameters than the current ones, else None."""
        return await self.hash(password) if _ARGON2ID.check_needs_rehash(password_hash) else None

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._pending >= self._limit:
            raise ServiceUnavailable("Too many requests at once, try again later.", retry_after=1)
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._pending -= 1


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _ARGON2ID.verify(password_hash, password)
    except VerifyMismatchError:
        return False
