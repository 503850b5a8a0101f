"""`make chaos`: inject faults into a private system under load, then check that nothing is lost or duplicated.

    make chaos [MINUTES=10] [SEED=...] [VISITORS=4]

The seed determines the visitors' actions and the order of the faults, but not their timing. The command exits with 1 if
something is lost, duplicated, inconsistent or answered wrongly, and prints what, and where the logs are.
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
from dev.chaos.faults import Probe, ProviderFaults, SystemFaults
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

    async def run(self, seconds: float, max_concurrent: int) -> None:
        """Run visitors and faults for some seconds, wait until the system has settled, and check everything."""
        until = time.monotonic() + seconds
        probe = await self._probe()
        machine = SystemFaults(self._system, probe, self.ledger, self._rng("machine"))
        provider = ProviderFaults(self._sandbox, self.ledger, self._rng("provider"))
        async with asyncio.TaskGroup() as group:
            group.create_task(machine.run(until))
            group.create_task(provider.run(until))
            for number in range(max_concurrent):
                group.create_task(self._visit(number, until))
        await provider.stop()
        _report("no more faults; waiting until the system has settled")
        await self._check()

    async def _visit(self, number: int, until: float) -> None:
        """Run one visitor after the other."""
        rng = self._rng(f"visitors {number}")
        count = 0
        while time.monotonic() < until:
            visitor = self._visitor(f"visitor {number} {count}", rng)
            self.ledger.owners.append(visitor.owner)
            self._visitors.append(visitor)
            await visitor.run(until)
            count += 1

    async def _check(self) -> None:
        problems = await checks.wait_until_settled(self._system, self._sandbox)
        # Payments fetches lost webhooks when it starts, and every hour.
        await asyncio.to_thread(self._system.kill, "payments")
        await asyncio.sleep(5)
        problems += await checks.wait_until_settled(self._system, self._sandbox)
        for kind, what in problems:
            self.ledger.record(kind, what)
        _report(f"checking the data of {len(self._visitors)} visitors")
        await checks.run_concurrently([checks.Check(each, self._sandbox, self.ledger).run for each in self._visitors])
        for kind, what in await checks.find_unknown_payments(self._sandbox, self.ledger):
            self.ledger.record(kind, what)
        for each in self._visitors:
            await each.browser.close()

    async def _probe(self) -> Probe:
        visitor = self._visitor("probe", self._rng("probe"))
        await visitor.register()
        await visitor.create()
        return Probe(visitor.browser, visitor.owner.resumes[0].id)

    def _visitor(self, name: str, rng: random.Random) -> Visitor:
        browser = Browser(self._system.ports.public_url, self.ledger, rng)
        return Visitor(Owner(name), browser, self._sandbox, self.ledger, rng)

    def _rng(self, name: str) -> random.Random:
        return random.Random(f"{self._seed} {name}")  # noqa: S311 - reproducible, not secret


def _report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def summary(ledger: Ledger, out: TextIO) -> bool:
    """Print the result. Returns whether there was no problem."""
    count = sum(ledger.statuses.values())
    statuses = ", ".join(f"{status}: {number:,}" for status, number in sorted(ledger.statuses.items()))
    checkouts = [each for owner in ledger.owners for each in owner.checkouts]
    effects = [each.seconds_to_effect for each in checkouts if each.seconds_to_effect is not None]
    out.write(f"\nrequests          {count:,} ({statuses})\n")
    out.write(f"writes            {ledger.acknowledged:,} acknowledged, {ledger.unknown:,} unknown\n")
    out.write(f"payment pages     {len(checkouts):,}; {len(effects):,} payments with an observed effect")
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
    """Run with the settings of the environment and exit with the result."""
    minutes = float(os.environ.get("MINUTES") or 10)
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    visitors = int(os.environ.get("VISITORS") or 4)
    folder = Path(tempfile.mkdtemp(prefix="cv-chaos-"))
    _report(f"{minutes:g} minutes with {visitors} concurrent visitors, SEED={seed}, logs in {folder}/logs")
    for number in (signal.SIGTERM, signal.SIGHUP):  # like Ctrl-C, so that nothing is left running
        signal.signal(number, signal.default_int_handler)
    console = Console(folder / "logs", is_shown=False)
    # All visitors share an address. The payment page waits 3 seconds for a webhook that may be lost.
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
        sys.exit(f"! problems found: SEED={seed}, logs in {folder}/logs")
    shutil.rmtree(folder)


async def _run(system: System, seconds: float, seed: int, visitors: int) -> Ledger:
    api_key = Secrets(system.data / "secrets.json").token("stripe api key", "sk_test_")
    async with StripeSandbox(system.ports.stripe_url, api_key) as sandbox:
        run = Run(system, sandbox, seed)
        try:
            await run.run(seconds, visitors)
        except* (httpx.HTTPError, AssertionError) as broken:
            summary(run.ledger, sys.stdout)
            raise broken
        return run.ledger


if __name__ == "__main__":
    main()
