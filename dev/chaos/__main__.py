"""`make chaos`: a private system, visitors, faults; in the end nothing is lost, nothing is doubled, and all agree.

    make chaos [MINUTES=10] [SEED=...] [VISITORS=4]

The seed decides what visitors try and which faults come in which order; how they interleave is the machine's.
Exits with 1 when something is lost, doubled, disagrees or was answered wrongly, and says what, and where the logs are.
"""

import asyncio
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TextIO

import httpx
from cv_stack.console import Console
from cv_stack.secrets import Secrets
from cv_stack.system import System

from dev.chaos import checks
from dev.chaos.browser import Browser
from dev.chaos.faults import Machine, Probe, Provider
from dev.chaos.ledger import Ledger, Owner
from dev.chaos.visitors import Visitor
from tests.integration.stripe_sandbox import StripeSandbox


class Run:
    """One run against one started system."""

    def __init__(self, system: System, sandbox: StripeSandbox, seed: int) -> None:
        self.ledger = Ledger()
        self._system = system
        self._sandbox = sandbox
        self._seed = seed
        self._visitors: list[Visitor] = []

    async def go(self, seconds: float, at_once: int) -> None:
        """Let visitors and faults run, then wait until all is quiet and check everything."""
        until = time.monotonic() + seconds
        probe = await self._probe()
        machine = Machine(self._system, probe, self.ledger, self._dice("machine"))
        provider = Provider(self._sandbox, self.ledger, self._dice("provider"))
        async with asyncio.TaskGroup() as group:
            group.create_task(machine.run(until))
            group.create_task(provider.run(until))
            for number in range(at_once):
                group.create_task(self._visit(number, until))
        await provider.behave()
        _say("the faults are over; waiting until all is quiet")
        await self._check()

    async def _visit(self, number: int, until: float) -> None:
        """One visitor after the other."""
        dice = self._dice(f"visitors {number}")
        life = 0
        while time.monotonic() < until:
            visitor = self._visitor(f"visitor {number} {life}", dice)
            self.ledger.owners.append(visitor.owner)
            self._visitors.append(visitor)
            await visitor.live(until)
            life += 1

    async def _check(self) -> None:
        problems = await checks.until_quiet(self._system, self._sandbox)
        # Lost webhooks are fetched every hour, and when payments starts.
        await asyncio.to_thread(self._system.kill, "payments")
        await asyncio.sleep(5)
        problems += await checks.until_quiet(self._system, self._sandbox)
        for kind, what in problems:
            self.ledger.note(kind, what)
        _say(f"checking what {len(self._visitors)} visitors were promised")
        await checks.all_at_once([checks.Check(each, self._sandbox, self.ledger).run for each in self._visitors])
        for kind, what in await checks.unknown_to_the_ledger(self._sandbox, self.ledger):
            self.ledger.note(kind, what)
        for each in self._visitors:
            await each.browser.close()

    async def _probe(self) -> Probe:
        visitor = self._visitor("probe", self._dice("probe"))
        await visitor.register()
        await visitor.create()
        return Probe(visitor.browser, visitor.owner.resumes[0].id)

    def _visitor(self, name: str, dice: random.Random) -> Visitor:
        browser = Browser(self._system.ports.public_url, self.ledger, dice)
        return Visitor(Owner(name), browser, self._sandbox, self.ledger, dice)

    def _dice(self, name: str) -> random.Random:
        return random.Random(f"{self._seed} {name}")  # noqa: S311 - to be repeated, not to be secret


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def summary(ledger: Ledger, out: TextIO) -> bool:
    """Say how it went; whether all is well."""
    count = sum(ledger.statuses.values())
    statuses = ", ".join(f"{status}: {number:,}" for status, number in sorted(ledger.statuses.items()))
    checkouts = [each for owner in ledger.owners for each in owner.checkouts]
    effects = [each.seconds_to_effect for each in checkouts if each.seconds_to_effect is not None]
    out.write(f"\nrequests          {count:,} ({statuses})\n")
    out.write(f"writes            {ledger.acknowledged:,} acknowledged, {ledger.unknown:,} unknown\n")
    out.write(f"payment pages     {len(checkouts):,}; {len(effects):,} payments seen by who waited")
    out.write(f", the last after {max(effects, default=0):.1f} s\n")
    out.write(f"slowest answer    {ledger.slowest[0]:.1f} s, {ledger.slowest[1]}\n")
    out.write(f"faults            {', '.join(f'{name}: {number}' for name, number in sorted(ledger.faults.items()))}\n")
    out.write("longest recovery\n")
    longest = sorted(ledger.recoveries.items(), key=lambda each: -each[1])[:10]
    out.writelines(f"  {seconds:6.1f} s  {name}\n" for name, seconds in longest)
    for kind, found in ledger.found.items():
        out.write(f"{kind:<18}{len(found)}\n")
        out.writelines(f"  ! {what}\n" for what in found[:50])
    return not any(ledger.found.values())


def main() -> None:
    """Read the environment, run, and end with what was found."""
    minutes = float(os.environ.get("MINUTES") or 10)
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    visitors = int(os.environ.get("VISITORS") or 4)
    folder = Path(tempfile.mkdtemp(prefix="cv-chaos-"))
    _say(f"{minutes:g} minutes with {visitors} visitors at once, SEED={seed}, logs in {folder}/logs")
    for number in (signal.SIGTERM, signal.SIGHUP):  # ends as Ctrl-C does: nothing is left running
        signal.signal(number, signal.default_int_handler)
    console = Console(folder / "logs", is_shown=False)
    # All visitors come from one address; who has paid should not wait ten seconds for a webhook that is lost.
    system = System(
        folder, console, settings={"RATE_LIMITS_ENABLED": "false", "SANDBOX_CHECKOUT_WAIT": "3"}, with_proxies=True
    )
    system.start()
    try:
        ledger = asyncio.run(_run(system, minutes * 60, seed, visitors))
    finally:
        system.stop()
        console.close()
    if not summary(ledger, sys.stdout):
        sys.exit(f"! not all is well: SEED={seed}, logs in {folder}/logs")
    shutil.rmtree(folder)


async def _run(system: System, seconds: float, seed: int, visitors: int) -> Ledger:
    api_key = Secrets(system.data / "secrets.json").token("stripe api key", "sk_test_")
    async with StripeSandbox(system.ports.stripe_url, api_key) as sandbox:
        run = Run(system, sandbox, seed)
        try:
            await run.go(seconds, visitors)
        except* (httpx.HTTPError, AssertionError) as broken:
            summary(run.ledger, sys.stdout)
            raise broken
        return run.ledger


if __name__ == "__main__":
    main()
