"""The checks after a run: ledger, services and payment provider must agree."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
from cv_common.messaging.events import EVENTS
from cv_stack.system import System
from cv_testing.workspace import SERVICES

from dev.chaos.browser import Browser
from dev.chaos.ledger import DISAGREES, DUPLICATED, LOST, Ledger, Resume
from dev.chaos.visitors import FREE, Visitor, marks_of
from tests.integration.stripe_sandbox import StripeSandbox

_PUBLISHERS = {event.stream().lower() for event in EVENTS}
_ENTITLING = {"active", "trialing", "past_due"}
_CONSISTENCY_TIMEOUT = 120.0
"""Seconds until data that is eventually consistent must agree."""

Problem = tuple[str, str]
"""A kind of the ledger, and a description."""


async def wait_until_settled(system: System, sandbox: StripeSandbox, timeout: float = 120.0) -> list[Problem]:
    """Wait until webhooks and events are delivered and all services are healthy. Returns the remaining problems."""
    deadline = time.monotonic() + timeout
    settled = 0
    while settled < 2:
        try:
            unsettled = await _unsettled(system, sandbox)
        except (httpx.HTTPError, psycopg.Error, AssertionError) as error:
            unsettled = [f"{type(error).__name__}: {error}"]
        settled = 0 if unsettled else settled + 1
        if time.monotonic() > deadline:
            return [(DISAGREES, f"not settled after {timeout:.0f} s: {each}") for each in unsettled]
        await asyncio.sleep(1)
    return []


async def _unsettled(system: System, sandbox: StripeSandbox) -> list[str]:
    found = [] if await sandbox.is_idle() else ["webhooks are pending"]
    async with httpx.AsyncClient(timeout=10) as client:
        for name in SERVICES:
            health = await client.get(f"{system.ports.url(name)}/healthz")
            if health.status_code != 200:
                found.append(f"{name} is not healthy: {health.text[:300]}")
    for name in _PUBLISHERS:
        url = system.environment(name)["DATABASE_URL"]
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=10) as connection:
            row = await (await connection.execute("select count(*) from outbox where published_at is null")).fetchone()
        if row != (0,):
            found.append(f"the outbox of {name} holds {row}")
    return found


class Check:
    """Compares the acknowledged writes of one visitor with the services and the payment provider."""

    def __init__(self, visitor: Visitor, sandbox: StripeSandbox, ledger: Ledger) -> None:
        self._visitor = visitor
        self._owner = visitor.owner
        self._browser: Browser = visitor.browser
        self._sandbox = sandbox
        self._ledger = ledger

    async def run(self) -> None:
        """Record the problems that remain after the timeout for eventual consistency."""
        deadline = time.monotonic() + _CONSISTENCY_TIMEOUT
        if self._owner.email and not await self._visitor.log_in() and self._owner.has_account:
            self._ledger.record(LOST, f"the account {self._owner.email} cannot log in")
            return
        problems = await self._problems()
        while problems and time.monotonic() < deadline:
            await asyncio.sleep(2)
            problems = await self._problems()
        for kind, what in problems:
            self._ledger.record(kind, f"{self._owner.name}: {what}")

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
        except _NoResponse as error:
            return [(DISAGREES, str(error))]
        return found

    def _listed(self, shown: list[dict[str, Any]]) -> list[Problem]:
        """Check that each acknowledged resume is listed once, with its last acknowledged write."""
        found: list[Problem] = []
        names = Counter(each["full_name"] for each in shown)
        found += [(DUPLICATED, f"{count} resumes are called {name!r}") for name, count in names.items() if count > 1]
        known = {each.id: each for each in self._owner.resumes}
        for each in shown:
            if each["id"] not in known and each["full_name"] not in self._owner.unknown_creations:
                found.append((DUPLICATED, f"resume {each['id']} ({each['full_name']}) was never acknowledged"))
            elif each["id"] in known:
                found += _differences(known[each["id"]], each)
        there = {each["id"] for each in shown}
        found += [
            (LOST, f"resume {each.id} ({each.name}) is missing")
            for each in self._owner.resumes
            if each.deleted == "no" and each.id not in there
        ]
        return found

    async def _deleted(self) -> list[Problem]:
        found: list[Problem] = []
        for each in self._owner.resumes:
            if each.deleted == "yes":
                answer = await self._browser.request("GET", f"/api/resumes/{each.id}/", expect=(404, 200))
                if answer is None or answer.status_code != 404:
                    found.append((LOST, f"resume {each.id} was deleted and exists again"))
        return found

    async def _payments(self, sessions: list[dict[str, Any]], subscriptions: list[dict[str, Any]]) -> list[Problem]:
        """Check that each payment at the provider is listed once, as refunded if the provider refunded it."""
        expected: Counter[tuple[str, int | None, str, str]] = Counter()
        for checkout, session in zip(self._owner.checkouts, sessions, strict=True):
            if checkout.resume is not None and session["payment_status"] == "paid":
                expected[("single", checkout.resume.id, *await self._state(session["payment_intent"]))] += 1
        for subscription in subscriptions:
            plan = {"month": "monthly", "year": "yearly"}[
                subscription["items"]["data"][0]["price"]["recurring"]["interval"]
            ]
            for invoice in await self._sandbox.listed("invoices", subscription=subscription["id"], status="paid"):
                [link] = (await self._sandbox.api("invoice_payments", invoice=invoice["id"]))["data"]
                expected[(plan, None, *await self._state(link["payment"]["payment_intent"]))] += 1
        listed = Counter(
            (each["payment_type"], each["resume_id"], each["status"], each["amount"])
            for each in await self._get("/api/payments/")
            if each["status"] in {"succeeded", "refunded"}
        )
        if listed == expected:
            return []
        found = f"missing: {dict(expected - listed)}, unexpected: {dict(listed - expected)}"
        return [(LOST if expected - listed and not listed - expected else DISAGREES, f"payments: {found}")]

    async def _state(self, intent_id: str) -> tuple[str, str]:
        """Return the expected status of a payment, and its amount."""
        charge = await self._charge(intent_id)
        return "refunded" if charge["refunded"] else "succeeded", f"{charge['amount'] / 100:.2f}"

    async def _charge(self, intent_id: str) -> dict[str, Any]:
        intent = await self._sandbox.api(f"payment_intents/{intent_id}")
        return await self._sandbox.api(f"charges/{intent['latest_charge']}")

    async def _bought(self, sessions: list[dict[str, Any]]) -> Counter[int]:
        """Return the number of payments of each resume without refunded ones."""
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
        """Check that the provider, payments and auth agree on whether a subscription entitles the owner."""
        found: list[Problem] = []
        if sum(each["status"] in _ENTITLING for each in subscriptions) > 1:
            found.append((DUPLICATED, f"several active subscriptions: {[each['id'] for each in subscriptions]}"))
        answer = await self._request("/api/payments/subscription/", (200, 404))
        is_stored = answer.status_code == 200 and answer.json()["is_entitled"]
        if is_stored != is_entitled:
            found.append((DISAGREES, f"entitled at the provider: {is_entitled}, in payments: {answer.text[:200]}"))
        if self._owner.has_account:
            profile = await self._get("/api/auth/profile/")
            if profile["is_premium"] != is_entitled:
                found.append((DISAGREES, f"entitled at the provider: {is_entitled}, in the profile: {profile}"))
        return found

    async def _resume(self, shown: dict[str, Any], bought: int, is_entitled: bool) -> list[Problem]:
        """Check whether a resume is paid, its watermark, and its photo."""
        found: list[Problem] = []
        name = f"resume {shown['id']}"
        if bought > 1:
            found.append((DUPLICATED, f"{name} was paid {bought} times without a refund"))
        paid_by = "single" if bought else "subscription" if is_entitled else "free"
        shown_as = (shown["payment_type"], shown["is_paid"])
        if shown_as != (paid_by, paid_by != "free"):
            found.append((DISAGREES, f"{name} is paid by {paid_by}, but shows {shown_as}"))
        if shown["photo"]:
            path = shown["photo"].removeprefix(self._browser.url)
            answer = await self._request(path, (200, 404))
            if answer.status_code != 200:
                found.append((LOST, f"{name} lost its photo {path}"))
        if self._owner.checkouts:
            answer = await self._request(f"/api/resumes/{shown['id']}/export_pdf/", (200,), method="POST", json={})
            expected = paid_by == "free" and shown["template"] != FREE
            if answer.json()["has_watermark"] != expected:
                found.append((DISAGREES, f"{name}, paid by {paid_by}, exports {answer.text[:200]}"))
        return found

    async def _get(self, path: str) -> Any:
        return (await self._request(path, (200,))).json()

    async def _request(self, path: str, expect: tuple[int, ...], method: str = "GET", **options: Any) -> httpx.Response:
        answer = await self._browser.request(method, path, expect=expect, **options)
        if answer is None or answer.status_code not in expect:
            raise _NoResponse(f"{method} {path}: {answer and answer.status_code}")
        return answer


class _NoResponse(Exception):
    """The system does not respond although there are no more faults."""


def _differences(known: Resume, shown: dict[str, Any]) -> list[Problem]:
    """Return the differences between a resume and its acknowledged writes."""
    marks = marks_of(shown)
    possible = {known.mark, *known.unknown}
    found: list[Problem] = []
    if known.deleted == "yes":
        found.append((LOST, f"resume {known.id} was deleted but is listed"))
    if len(marks) > 1:
        found.append((DISAGREES, f"resume {known.id} shows parts of several writes: {sorted(marks)}"))
    elif not marks <= possible:
        found.append(
            (LOST, f"resume {known.id} shows write {sorted(marks)}, acknowledged was one of {sorted(possible)}")
        )
    if known.has_photo is not None and known.has_photo != (shown["photo"] is not None):
        found.append(
            (LOST, f"resume {known.id}: a photo was acknowledged: {known.has_photo}, shown is {shown['photo']}")
        )
    return found


async def find_unknown_payments(sandbox: StripeSandbox, ledger: Ledger) -> list[Problem]:
    """Return the completed checkouts at the provider that no visitor started."""
    known = {each.session_id for owner in ledger.owners for each in owner.checkouts}
    paid = await sandbox.listed("checkout/sessions", status="complete")
    return [(DUPLICATED, f"{each['id']} has no visitor") for each in paid if each["id"] not in known]


async def run_concurrently(checks: list[Callable[[], Awaitable[None]]], max_concurrent: int = 4) -> None:
    """Run the checks with limited concurrency."""
    semaphore = asyncio.Semaphore(max_concurrent)

    async def run(check: Callable[[], Awaitable[None]]) -> None:
        async with semaphore:
            await check()

    await asyncio.gather(*(run(check) for check in checks))
