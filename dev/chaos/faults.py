"""A seeded schedule of faults, and how long the system took to work again after each."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
from cv_stack.settings import SERVICES
from cv_stack.system import System
from cv_testing.supervisor import ProgramFailed

from dev.chaos.browser import Browser
from dev.chaos.ledger import MISBEHAVED, Ledger
from tests.integration.stripe_sandbox import StripeSandbox

PROGRAMS = ("gateway", *SERVICES, "postgres", "nats")
PATIENCE = 180.0
"""Seconds after which a fault that has ended counts as never recovered from."""

Fault = Callable[[], Awaitable[None]]


class Machine:
    """Faults of programs and networks, one or two at a time."""

    def __init__(self, system: System, probe: "Probe", ledger: Ledger, dice: random.Random) -> None:
        self._system = system
        self._probe = probe
        self._ledger = ledger
        self._dice = dice

    async def run(self, until: float) -> None:
        """One fault after the other, each after the system works again."""
        while time.monotonic() < until:
            kinds = [self._choose() for _ in range(self._dice.choice([1, 1, 1, 2]))]
            # What is to happen is drawn before it does: how long a fault takes must not change what follows.
            faults = [self._fault(kind) for kind in kinds]
            pause = self._dice.uniform(0.5, 3)
            await asyncio.gather(*(fault() for fault in faults))
            for kind in kinds:
                self._ledger.faults[kind.partition(" ")[0]] += 1
            await self._recover(" and ".join(sorted(kinds)))
            await asyncio.sleep(pause)

    def _choose(self) -> str:
        how = self._dice.choices(["kill", "pause", "down", "drop"], [6, 2, 2, 2])[0]
        name = self._dice.choice(("postgres", "nats") if how == "drop" else PROGRAMS)
        return f"{how} {name}"

    def _fault(self, kind: str) -> Fault:
        how, _, name = kind.partition(" ")
        seconds = self._dice.uniform(2, 8)

        async def lasting(begin: Callable[[str], None], end: Callable[[str], None]) -> None:
            await asyncio.to_thread(begin, name)
            await asyncio.sleep(seconds)
            with suppress(ProgramFailed):  # the probe tells whether it comes back
                await asyncio.to_thread(end, name)

        async def at_once(do: Callable[[str], object]) -> None:
            await asyncio.to_thread(do, name)

        system = self._system
        return {
            "kill": lambda: at_once(system.kill),
            "drop": lambda: at_once(system.freeze),
            "pause": lambda: lasting(system.pause, system.unpause),
            "down": lambda: lasting(system.take_down, system.bring_up),
        }[how]

    async def _recover(self, kind: str) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._probe.until_well()
        except TimeoutError:
            self._ledger.note(MISBEHAVED, f"after {kind} the system did not work again within {PATIENCE:.0f} s")
        self._ledger.recovered(kind, time.monotonic() - began)


class Provider:
    """Faults of the payment provider: webhooks that come twice, late, in another order, or never; calls that fail."""

    def __init__(self, sandbox: StripeSandbox, ledger: Ledger, dice: random.Random) -> None:
        self._sandbox = sandbox
        self._ledger = ledger
        self._dice = dice

    async def run(self, until: float) -> None:
        """One kind of misbehavior after the other, with a while of good behavior between."""
        while time.monotonic() < until:
            kind = self._dice.choice(["duplicated", "shuffled", "delayed", "lost", "failing", "slow"])
            await self._begin(kind)
            self._ledger.faults[f"provider {kind}"] += 1
            await asyncio.sleep(self._dice.uniform(3, 10))
            await self.behave()
            await asyncio.sleep(self._dice.uniform(1, 5))

    async def behave(self) -> None:
        """Deliver everything that is not lost, and fail no more."""
        await self._sandbox.control("delivery", duplicates=0, shuffle=0, delay=0, drop=[])
        await self._sandbox.control("clear-faults")

    async def _begin(self, kind: str) -> None:
        if kind in {"failing", "slow"}:
            how: dict[str, Any] = {"status": 500} if kind == "failing" else {"delay_after": 4.0}
            await self._sandbox.control("fault", method=self._dice.choice(["GET", "POST"]), path="/v1/", times=5, **how)
            return
        knobs: dict[str, dict[str, Any]] = {
            "duplicated": {"duplicates": 3, "shuffle": 2.0},
            "shuffled": {"shuffle": 6.0},
            "delayed": {"delay": 8.0},
            "lost": {"drop": ["*"]},
        }
        await self._sandbox.control("delivery", **knobs[kind])


class Probe:
    """A visitor with an account and a resume, who finds out whether every part does its work."""

    def __init__(self, browser: Browser, resume_id: int) -> None:
        self._browser = browser
        self._resume_id = resume_id

    async def until_well(self) -> None:
        """Wait until every service answers once, and writes where it has something to write."""
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
                return await self._browser.ask(method, place, expect=(200,), json=body)

            await self._browser.insist(attempt, patience=PATIENCE)
