"""Measures the processor time that each program spends on a request through the gateway.

    .venv/bin/python -m benchmarks.capacity [--seconds 4] [--visitors 8] [--only PATH] [--log-level INFO]

Starts the whole system on free ports. A busy machine distorts processor time per request much less than requests per
second, for which all programs and the load generator share the cores. Linux only.
"""

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from cv_stack.system import System
from cv_testing.workspace import SERVICES

PROGRAMS = ("gateway", *SERVICES, "postgres", "nats")
PASSWORD = "SecurePass123!"  # noqa: S105 - of temporary accounts
EXPERIENCE = {
    "company": "Agence", "position": "Cheffe de projet", "start_date": "2020-01-01", "end_date": "2021-12-31",
    "description": "Gestion de projets web complexes pour grands comptes. " * 5,
}  # fmt: skip
_texts = itertools.count(1)


@dataclass
class Visitor:
    """A visitor with an account, a resume and a connection."""

    http: aiohttp.ClientSession
    email: str
    resume: str = ""

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of a response. Raises for an error status."""
        async with self.http.request(method, path, json=body) as answer:
            content = await answer.json()
            if not answer.ok:
                raise RuntimeError(f"{method} {path}: {answer.status} {content}")
            return content

    async def prepare(self) -> None:
        """Register, log in, and create a resume of two pages."""
        names = {"first_name": "Marie", "last_name": "Dubois", "username": self.email.partition("@")[0]}
        passwords = {"password": PASSWORD, "password2": PASSWORD}
        await self.ask("POST", "/api/auth/register/", {"email": self.email, **names, **passwords})
        token = (await self.login())["access"]
        self.http.headers["Authorization"] = f"Bearer {token}"
        fields = {"full_name": "Marie Dubois", "email": self.email, "experience_data": [EXPERIENCE] * 10}
        created = await self.ask("POST", "/api/resumes/", {"template": 1, **fields})
        self.resume = f"/api/resumes/{created['id']}/"

    async def login(self) -> Any:
        """Get new tokens."""
        return await self.ask("POST", "/api/auth/login/", {"email": self.email, "password": PASSWORD})

    async def save(self) -> Any:
        """Auto-save, as the editor does after a pause in typing."""
        return await self.ask("PATCH", self.resume, {"summary": f"Numéro {next(_texts)}"})

    async def export(self) -> Any:
        """Export the unchanged resume."""
        return await self.ask("POST", f"{self.resume}export_pdf/", {})

    async def change_and_export(self) -> Any:
        """Change the resume and export it."""
        await self.save()
        return await self.export()


PATHS: dict[str, Callable[[Visitor], Awaitable[Any]]] = {
    "templates": lambda visitor: visitor.ask("GET", "/api/templates/"),
    "a CV": lambda visitor: visitor.ask("GET", visitor.resume),
    "list of CVs": lambda visitor: visitor.ask("GET", "/api/resumes/"),
    "autosave": Visitor.save,
    "profile": lambda visitor: visitor.ask("GET", "/api/auth/profile/"),
    "payments": lambda visitor: visitor.ask("GET", "/api/payments/"),
    "login": Visitor.login,
    "export, unchanged": Visitor.export,
    "autosave, export": Visitor.change_and_export,
}


def processor_seconds(roots: Iterable[int]) -> list[float]:
    """Return the processor time of each process and its descendants, including ended ones."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # the process has ended
            continue
        pid = int(stat.parent.name)
        parents[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:15]))

    def lineage(pid: int) -> set[int]:
        """Return a process and its ancestors."""
        found = set()
        while pid in parents and pid not in found:
            found.add(pid)
            pid = parents[pid]
        return found

    lines = {pid: lineage(pid) for pid in parents}
    return [sum(ticks[pid] for pid in ticks if root in lines[pid]) / os.sysconf("SC_CLK_TCK") for root in roots]


async def measure(system: System, visitors: list[Visitor], seconds: float, only: str | None) -> None:
    """Repeat each step for some seconds and print its row of the table."""
    roots = [system.pid(part) for part in PROGRAMS]
    for name, step in PATHS.items():
        if only not in (None, name):
            continue
        before, began = processor_seconds(roots), time.perf_counter()
        counts = await asyncio.gather(*(_repeat(visitor, step, began + seconds) for visitor in visitors))
        spent, count = time.perf_counter() - began, sum(counts)
        costs = [(now - then) * 1000 / count for now, then in zip(processor_seconds(roots), before, strict=True)]
        cells = [f"{count / spent:.0f}", *(f"{cost:.2f}" if cost >= 0.005 else "" for cost in costs)]
        sys.stdout.write(f"| {' | '.join([name, *cells])} |\n")


async def _repeat(visitor: Visitor, step: Callable[[Visitor], Awaitable[Any]], until: float) -> int:
    count = 0
    while time.perf_counter() < until:
        await step(visitor)
        count += 1
    return count


async def run(system: System, visitors: int, seconds: float, only: str | None) -> None:
    """Prepare the visitors and measure."""
    sys.stdout.write(f"| processor ms | requests/s | {' | '.join(PROGRAMS)} |\n|{'---|' * (len(PROGRAMS) + 2)}\n")
    people = [
        Visitor(aiohttp.ClientSession(system.ports.public_url), f"marie{number}@example.com")
        for number in range(visitors)
    ]
    try:
        await asyncio.gather(*(each.prepare() for each in people))
        await measure(system, people, seconds, only)
    finally:
        await asyncio.gather(*(each.http.close() for each in people))


def main() -> None:
    """Start the system, measure, and stop it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--visitors", type=int, default=8)
    options.add_argument("--log-level", default="WARNING", help="INFO includes the access log")
    options.add_argument("--only", choices=PATHS, help="measure one kind of request")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"RATE_LIMITS_ENABLED": "false", "LOG_LEVEL": given.log_level}
        system = System(Path(folder), lambda *_: None, settings=settings)
        system.start()
        try:
            asyncio.run(run(system, given.visitors, given.seconds, given.only))
        finally:
            system.stop()


if __name__ == "__main__":
    main()
