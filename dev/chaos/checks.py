"""What must hold once all is quiet: the ledger, the system's services and the payment provider agree."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
from cv_stack.settings import SERVICES
from cv_stack.system import System

from dev.chaos.browser import Browser
from dev.chaos.ledger import DISAGREES, DOUBLED, LOST, Ledger, Resume
from dev.chaos.visitors import FREE, Visitor, marks_of
from tests.integration.stripe_sandbox import StripeSandbox

_ENTITLING = {"active", "trialing", "past_due"}
_WITH_OUTBOX = ("auth", "payments", "resumes")
_PATIENCE = 120.0
"""Seconds for what is consistent eventually."""

Problem = tuple[str, str]
"""A kind of the ledger's, and what is wrong."""


async def until_quiet(system: System, sandbox: StripeSandbox, patience: float = 120.0) -> list[Problem]:
    """Wait until webhooks and events are delivered and all health is green; what is still amiss when patience ends."""
    deadline = time.monotonic() + patience
    quiet = 0
    while quiet < 2:
        try:
            unrest = await _unrest(system, sandbox)
        except (httpx.HTTPError, psycopg.Error, AssertionError) as error:
            unrest = [f"{type(error).__name__}: {error}"]
        quiet = 0 if unrest else quiet + 1
        if time.monotonic() > deadline:
            return [(DISAGREES, f"not quiet after {patience:.0f} s: {each}") for each in unrest]
        await asyncio.sleep(1)
    return []


async def _unrest(system: System, sandbox: StripeSandbox) -> list[str]:
    found = [] if await sandbox.is_idle() else ["webhooks are on their way"]
    async with httpx.AsyncClient(timeout=10) as client:
        for name in SERVICES:
            health = await client.get(f"{system.ports.url(name)}/healthz")
            if health.status_code != 200:
                found.append(f"{name} is not well: {health.text[:300]}")
    for name in _WITH_OUTBOX:
        url = system.environment(name)["DATABASE_URL"]
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=10) as connection:
            row = await (await connection.execute("select count(*) from outbox where published_at is null")).fetchone()
        if row != (0,):
            found.append(f"the outbox of {name} holds {row}")
    return found


class Check:
    """Compares what one visitor was promised with what everybody says."""

    def __init__(self, visitor: Visitor, sandbox: StripeSandbox, ledger: Ledger) -> None:
        self._visitor = visitor
        self._owner = visitor.owner
        self._browser: Browser = visitor.browser
        self._sandbox = sandbox
        self._ledger = ledger

    async def run(self) -> None:
        """Note what is still wrong after the time in which everything must have become right."""
        deadline = time.monotonic() + _PATIENCE
        if self._owner.email and not await self._visitor.log_in() and self._owner.has_account:
            self._ledger.note(LOST, f"the account {self._owner.email} cannot log in")
            return
        problems = await self._problems()
        while problems and time.monotonic() < deadline:
            await asyncio.sleep(2)
            problems = await self._problems()
        for kind, what in problems:
            self._ledger.note(kind, f"{self._owner.name}: {what}")

    async def _problems(self) -> list[Problem]:
        try:
            shown = await self._get("/api/resumes/")
            found = [*self._listed(shown), *await self._deleted()]
            sessions = [
                await self._sandbox.api(f"checkout/sessions/{each.session_id}") for each in self._owner.checkouts
            ]
            subscriptions = await self._subscriptions(sessions)
            is_entitled = any(each["status"] in _ENTITLING for each in subscriptions)
            found += await self._payments(sessions, subscriptions)
            found += await self._entitlement(subscriptions, is_entitled)
            bought = await self._bought(sessions)
            for each in shown:
                found += await self._resume(each, bought[each["id"]], is_entitled)
        except _NoAnswer as error:
            return [(DISAGREES, str(error))]
        return found

    def _listed(self, shown: list[dict[str, Any]]) -> list[Problem]:
        """Every acknowledged resume is there once, as it was last acknowledged."""
        found: list[Problem] = []
        names = Counter(each["full_name"] for each in shown)
        found += [(DOUBLED, f"{count} resumes are called {name!r}") for name, count in names.items() if count > 1]
        known = {each.id: each for each in self._owner.resumes}
        for each in shown:
            if each["id"] not in known and each["full_name"] not in self._owner.unknown_creations:
                found.append((DOUBLED, f"resume {each['id']} ({each['full_name']}) was never acknowledged"))
            elif each["id"] in known:
                found += _differences(known[each["id"]], each)
        there = {each["id"] for each in shown}
        found += [
            (LOST, f"resume {each.id} ({each.name}) is gone")
            for each in self._owner.resumes
            if each.deleted == "no" and each.id not in there
        ]
        return found

    async def _deleted(self) -> list[Problem]:
        found: list[Problem] = []
        for each in self._owner.resumes:
            if each.deleted == "yes":
                answer = await self._browser.ask("GET", f"/api/resumes/{each.id}/", expect=(404, 200))
                if answer is None or answer.status_code != 404:
                    found.append((LOST, f"resume {each.id} was deleted and is there again"))
        return found

    async def _payments(self, sessions: list[dict[str, Any]], subscriptions: list[dict[str, Any]]) -> list[Problem]:
        """Every payment that the provider took is listed once, and given back where it was given back."""
        wanted: Counter[tuple[str, int | None, str, str]] = Counter()
        for checkout, session in zip(self._owner.checkouts, sessions, strict=True):
            if checkout.resume is not None and session["payment_status"] == "paid":
                wanted[("single", checkout.resume.id, *await self._state(session["payment_intent"]))] += 1
        for subscription in subscriptions:
            plan = {"month": "monthly", "year": "yearly"}[
                subscription["items"]["data"][0]["price"]["recurring"]["interval"]
            ]
            for invoice in await self._sandbox.listed("invoices", subscription=subscription["id"], status="paid"):
                [link] = (await self._sandbox.api("invoice_payments", invoice=invoice["id"]))["data"]
                wanted[(plan, None, *await self._state(link["payment"]["payment_intent"]))] += 1
        listed = Counter(
            (each["payment_type"], each["resume_id"], each["status"], each["amount"])
            for each in await self._get("/api/payments/")
            if each["status"] in {"succeeded", "refunded"}
        )
        if listed == wanted:
            return []
        said = f"not listed: {dict(wanted - listed)}, listed beyond that: {dict(listed - wanted)}"
        return [(LOST if wanted - listed and not listed - wanted else DISAGREES, f"payments: {said}")]

    async def _state(self, intent_id: str) -> tuple[str, str]:
        """The status that a payment must have, and its amount."""
        charge = await self._charge(intent_id)
        return "refunded" if charge["refunded"] else "succeeded", f"{charge['amount'] / 100:.2f}"

    async def _charge(self, intent_id: str) -> dict[str, Any]:
        intent = await self._sandbox.api(f"payment_intents/{intent_id}")
        return await self._sandbox.api(f"charges/{intent['latest_charge']}")

    async def _bought(self, sessions: list[dict[str, Any]]) -> Counter[int]:
        """How many payments of each resume the provider has not given back."""
        bought: Counter[int] = Counter()
        for checkout, session in zip(self._owner.checkouts, sessions, strict=True):
            if checkout.resume is not None and session["payment_status"] == "paid":
                charge = await self._charge(session["payment_intent"])
                bought[checkout.resume.id] += not charge["refunded"]
        return bought

    async def _subscriptions(self, sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            await self._sandbox.api(f"subscriptions/{each['subscription']}")
            for each in sessions
            if each["subscription"]
        ]

    async def _entitlement(self, subscriptions: list[dict[str, Any]], is_entitled: bool) -> list[Problem]:
        """Provider, payments and auth agree on whether somebody subscribes."""
        found: list[Problem] = []
        if sum(each["status"] in _ENTITLING for each in subscriptions) > 1:
            found.append((DOUBLED, f"subscriptions live beside each other: {[each['id'] for each in subscriptions]}"))
        answer = await self._ask("/api/payments/subscription/", (200, 404))
        told = answer.status_code == 200 and answer.json()["is_entitled"]
        if told != is_entitled:
            found.append((DISAGREES, f"entitled at the provider: {is_entitled}, in payments: {answer.text[:200]}"))
        if self._owner.has_account:
            profile = await self._get("/api/auth/profile/")
            if profile["is_premium"] != is_entitled:
                found.append((DISAGREES, f"entitled at the provider: {is_entitled}, in the profile: {profile}"))
        return found

    async def _resume(self, shown: dict[str, Any], bought: int, is_entitled: bool) -> list[Problem]:
        """A resume is paid for when it was bought or its owner subscribes; its PDF and its photo follow."""
        found: list[Problem] = []
        name = f"resume {shown['id']}"
        if bought > 1:
            found.append((DOUBLED, f"{name} was paid {bought} times, and nothing was given back"))
        paid_by = "single" if bought else "subscription" if is_entitled else "free"
        said = (shown["payment_type"], shown["is_paid"])
        if said != (paid_by, paid_by != "free"):
            found.append((DISAGREES, f"{name} is paid by {paid_by}, and says {said}"))
        if shown["photo"]:
            path = shown["photo"].removeprefix(self._browser.url)
            answer = await self._ask(path, (200, 404))
            if answer.status_code != 200:
                found.append((LOST, f"{name} has lost its photo {path}"))
        if self._owner.checkouts:
            answer = await self._ask(f"/api/resumes/{shown['id']}/export_pdf/", (200,), method="POST", json={})
            wanted = paid_by == "free" and shown["template"] != FREE
            if answer.json()["has_watermark"] != wanted:
                found.append((DISAGREES, f"{name}, paid by {paid_by}, exports {answer.text[:200]}"))
        return found

    async def _get(self, path: str) -> Any:
        return (await self._ask(path, (200,))).json()

    async def _ask(self, path: str, expect: tuple[int, ...], method: str = "GET", **options: Any) -> httpx.Response:
        answer = await self._browser.ask(method, path, expect=expect, **options)
        if answer is None or answer.status_code not in expect:
            raise _NoAnswer(f"{method} {path}: {answer and answer.status_code}")
        return answer


class _NoAnswer(Exception):
    """The system does not answer although nothing fails any more."""


def _differences(known: Resume, shown: dict[str, Any]) -> list[Problem]:
    """How a resume differs from what was acknowledged."""
    marks = marks_of(shown)
    possible = {known.mark, *known.unknown}
    found: list[Problem] = []
    if known.deleted == "yes":
        found.append((LOST, f"resume {known.id} was deleted and is listed"))
    if len(marks) > 1:
        found.append((DISAGREES, f"resume {known.id} shows halves of writes: {sorted(marks)}"))
    elif not marks <= possible:
        found.append(
            (LOST, f"resume {known.id} shows write {sorted(marks)}, acknowledged was one of {sorted(possible)}")
        )
    if known.has_photo is not None and known.has_photo != (shown["photo"] is not None):
        found.append(
            (LOST, f"resume {known.id}: a photo was acknowledged: {known.has_photo}, shown is {shown['photo']}")
        )
    return found


async def unknown_to_the_ledger(sandbox: StripeSandbox, ledger: Ledger) -> list[Problem]:
    """Money that the provider took, and of which no visitor knows."""
    known = {each.session_id for owner in ledger.owners for each in owner.checkouts}
    paid = await sandbox.listed("checkout/sessions", status="complete")
    return [(DOUBLED, f"{each['id']} was paid by nobody") for each in paid if each["id"] not in known]


async def all_at_once(checks: list[Callable[[], Awaitable[None]]], at_once: int = 4) -> None:
    """Run checks, a few at the same time."""
    places = asyncio.Semaphore(at_once)

    async def run(check: Callable[[], Awaitable[None]]) -> None:
        async with places:
            await check()

    await asyncio.gather(*(run(check) for check in checks))
