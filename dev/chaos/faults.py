"""A seeded schedule of faults, and the time of recovery after each."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
from cv_stack.system import System
from cv_testing.supervisor import ProgramFailed
from cv_testing.workspace import SERVICES

from dev.chaos.browser import Browser
from dev.chaos.ledger import BAD_RESPONSE, Ledger
from tests.integration.stripe_sandbox import StripeSandbox

PROGRAMS = ("gateway", *SERVICES, "postgres", "nats")
RECOVERY_TIMEOUT = 180.0
"""Seconds after the end of a fault within which the system must recover."""

Fault = Callable[[], Awaitable[None]]


class SystemFaults:
    """Injects faults of programs and networks, one or two at a time."""

    def __init__(self, system: System, probe: "Probe", ledger: Ledger, rng: random.Random) -> None:
        self._system = system
        self._probe = probe
        self._ledger = ledger
        self._rng = rng

    async def run(self, until: float) -> None:
        """Inject one fault after the other, each after the recovery from the previous one."""
        while time.monotonic() < until:
            kinds = [self._choose() for _ in range(self._rng.choice([1, 1, 1, 2]))]
            # Draw all random numbers before the faults: their duration must not change the sequence.
            faults = [self._fault(kind) for kind in kinds]
            pause = self._rng.uniform(0.5, 3)
            await asyncio.gather(*(fault() for fault in faults))
            for kind in kinds:
                self._ledger.faults[kind.partition(" ")[0]] += 1
            await self._recover(" and ".join(sorted(kinds)))
            await asyncio.sleep(pause)

    def _choose(self) -> str:
        how = self._rng.choices(["kill", "pause", "down", "freeze"], [6, 2, 2, 2])[0]
        name = self._rng.choice(("postgres", "nats") if how == "freeze" else PROGRAMS)
        return f"{how} {name}"

    def _fault(self, kind: str) -> Fault:
        how, _, name = kind.partition(" ")
        seconds = self._rng.uniform(2, 8)

        async def for_a_while(begin: Callable[[str], None], end: Callable[[str], None]) -> None:
            await asyncio.to_thread(begin, name)
            await asyncio.sleep(seconds)
            with suppress(ProgramFailed):  # the probe detects whether it recovers
                await asyncio.to_thread(end, name)

        async def once(do: Callable[[str], object]) -> None:
            await asyncio.to_thread(do, name)

        system = self._system
        return {
            "kill": lambda: once(system.kill),
            "freeze": lambda: once(system.freeze),
            "pause": lambda: for_a_while(system.pause, system.unpause),
            "down": lambda: for_a_while(system.take_down, system.bring_up),
        }[how]

    async def _recover(self, kind: str) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(RECOVERY_TIMEOUT):
                await self._probe.wait_until_ready()
        except TimeoutError:
            self._ledger.record(
                BAD_RESPONSE, f"after {kind} the system did not recover within {RECOVERY_TIMEOUT:.0f} s"
            )
        self._ledger.record_recovery(kind, time.monotonic() - began)


class ProviderFaults:
    """Injects faults of the payment provider: duplicated, late, reordered or lost webhooks, and failing API calls."""

    def __init__(self, sandbox: StripeSandbox, ledger: Ledger, rng: random.Random) -> None:
        self._sandbox = sandbox
        self._ledger = ledger
        self._rng = rng

    async def run(self, until: float) -> None:
        """Inject one kind of fault after the other, with pauses."""
        while time.monotonic() < until:
            kind = self._rng.choice(["duplicated", "shuffled", "delayed", "lost", "failing", "slow"])
            await self._begin(kind)
            self._ledger.faults[f"provider {kind}"] += 1
            await asyncio.sleep(self._rng.uniform(3, 10))
            await self.stop()
            await asyncio.sleep(self._rng.uniform(1, 5))

    async def stop(self) -> None:
        """End the faults and deliver the webhooks that are not lost."""
        await self._sandbox.control("delivery", duplicates=0, shuffle=0, delay=0, drop=[])
        await self._sandbox.control("clear-faults")

    async def _begin(self, kind: str) -> None:
        if kind in {"failing", "slow"}:
            how: dict[str, Any] = {"status": 500} if kind == "failing" else {"delay_after": 4.0}
            await self._sandbox.control("fault", method=self._rng.choice(["GET", "POST"]), path="/v1/", times=5, **how)
            return
        settings: dict[str, dict[str, Any]] = {
            "duplicated": {"duplicates": 3, "shuffle": 2.0},
            "shuffled": {"shuffle": 6.0},
            "delayed": {"delay": 8.0},
            "lost": {"drop": ["*"]},
        }
        await self._sandbox.control("delivery", **settings[kind])


class Probe:
    """A visitor with an account and a resume that checks whether all services work."""

    def __init__(self, browser: Browser, resume_id: int) -> None:
        self._browser = browser
        self._resume_id = resume_id

    async def wait_until_ready(self) -> None:
        """Wait until each service has answered a request, and resumes a write."""
        path = f"/api/resumes/{self._resume_id}/"
        text = str(time.monotonic())
        for method, place, body in (
            ("PATCH", path, {"title": text}),
            ("GET", "/api/payments/", None),
            ("GET", "/api/auth/profile/", None),
            ("GET", "/api/templates/", None),
            ("POST", f"{path}export_pdf/", {}),
        ):

            async def attempt(
                method: str = method, place: str = place, body: dict[str, str] | None = body
            ) -> httpx.Response | None:
                return await self._browser.request(method, place, expect=(200,), json=body)

            await self._browser.retry(attempt, timeout=RECOVERY_TIMEOUT)
