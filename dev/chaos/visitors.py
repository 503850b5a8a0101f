"""Visitors that write, save, buy, delete and register during faults, and record what was acknowledged."""

import asyncio
import io
import random
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
from PIL import Image

from dev.chaos.browser import Browser
from dev.chaos.ledger import BAD_RESPONSE, DISAGREES, DUPLICATED, LOST, Checkout, Kind, Ledger, Owner, Resume
from tests.contract.document import EXAMPLES
from tests.integration.stripe_sandbox import StripeSandbox

PASSWORD = "Chaos-pass-123"  # noqa: S105 - only in this run
FREE, PREMIUM = 1, 2
RESUME_KEYS = frozenset(EXAMPLES["3.1 response, user"][0])
_EFFECT_TIMEOUT = 20.0
"""Seconds that a buyer waits for the effect of a payment; later effects are checked at the end."""


def marks_of(shown: dict[str, Any]) -> set[int]:
    """Return the marks in a resume: one, unless a write took effect partly."""
    companies = [entry["company"] for entry in shown["experiences"]]
    return {int(text.removeprefix("w")) for text in (shown["title"], shown["summary"], *companies)}


def marked(mark: int) -> dict[str, Any]:
    """Return the fields of a write with a mark."""
    text = f"w{mark}"
    entry = {"company": text, "position": "Engineer", "start_date": "2020-01-01"}
    return {"title": text, "summary": text, "experience_data": [entry]}


class Visitor:
    """One visitor from the first request to the last."""

    def __init__(
        self, owner: Owner, browser: Browser, sandbox: StripeSandbox, ledger: Ledger, rng: random.Random
    ) -> None:
        self.owner = owner
        self.browser = browser
        self._sandbox = sandbox
        self._ledger = ledger
        self._rng = rng
        self._tolerated: tuple[int, ...] = ()
        """404 after a registration, while the session's data moves to the account. The final checks expect it there."""

    async def run(self, until: float) -> None:
        """Do 10 to 25 random actions."""
        if self._rng.random() < 0.4:
            await self.register()
        for _ in range(self._rng.randint(1, 2)):
            await self.create()
        actions = {
            self.save: 10, self.read: 3, self.list: 2, self.photo: 2, self.export: 2, self.buy: 3, self.subscribe: 1,
            self.renew_or_end: 1, self.delete: 1, self.create: 1, self.register: 1,
        }  # fmt: skip
        for action in self._rng.choices([*actions], [*actions.values()], k=self._rng.randint(10, 25)):
            if time.monotonic() > until or not self.owner.resumes:
                return
            await action()
            await asyncio.sleep(self._rng.uniform(0, 0.5))

    async def create(self) -> None:
        """Create a resume; retry with the same idempotency key until there is a response."""
        name = f"{self.owner.name} {len(self.owner.resumes) + len(self.owner.unknown_creations)}"
        template = self._rng.choice([FREE, PREMIUM, PREMIUM])
        body = {"template": template, "full_name": name, "email": "chaos@example.com", **marked(0)}
        key = {"Idempotency-Key": str(UUID(int=self._rng.getrandbits(128), version=4))}

        async def attempt() -> httpx.Response | None:
            return await self.browser.request("POST", "/api/resumes/", json=body, headers=key, expect=(201,))

        answer = await self.browser.retry(attempt)
        if answer is None or answer.status_code != 201:
            self._ledger.unknown += 1
            self.owner.unknown_creations.add(name)
            return
        shown = answer.json()
        self._check_shape(shown)
        self._ledger.acknowledged += 1
        self.owner.resumes.append(Resume(shown["id"], name, template, answer.headers["etag"]))

    async def save(self) -> None:
        """Auto-save for the known ETag. After a lost response, mostly read the resume, as a frontend does."""
        if (resume := self._pick_resume()) is None:
            return
        mark, resume.next_mark = resume.next_mark, resume.next_mark + 1
        resume.unknown[mark] = sent_for = resume.etag
        answer = await self._patch(resume, json=marked(mark))
        if answer is None:
            self._ledger.unknown += 1
            if self._rng.random() < 0.7:
                await self._read_back(resume)
        elif answer.status_code == 200:
            self._ledger.acknowledged += 1
            self._check_shape(answer.json())
            if marks_of(answer.json()) != {mark}:
                self._ledger.record(DISAGREES, f"resume {resume.id} answers {marks_of(answer.json())} to {mark}")
            resume.observe(mark, answer.headers["etag"])
        else:
            del resume.unknown[mark]
            await self._read_back(resume, refused_for=sent_for if answer.status_code == 412 else None)

    async def photo(self) -> None:
        """Upload a photo."""
        if (resume := self._pick_resume()) is None:
            return
        picture = io.BytesIO()
        Image.new("RGB", (64, 64), tuple(self._rng.choices(range(256), k=3))).save(picture, "PNG")
        answer = await self._patch(resume, files={"photo": ("me.png", picture.getvalue(), "image/png")})
        if answer is None:
            self._ledger.unknown += 1
            resume.has_photo = resume.has_photo or None
            await self._read_back(resume)
        elif answer.status_code == 200:
            self._ledger.acknowledged += 1
            resume.has_photo = True
            self._check_resume(resume, answer)
        else:
            await self._read_back(resume)

    async def read(self) -> None:
        """Open a resume."""
        if (resume := self._pick_resume()) is not None:
            await self._read_back(resume)

    async def list(self) -> None:
        """List all resumes and check for duplicates."""
        answer = await self.browser.request("GET", "/api/resumes/", expect=(200,))
        if answer is not None and answer.status_code == 200:
            for shown in answer.json():
                self._check_shape(shown)
            names = [shown["full_name"] for shown in answer.json()]
            if len(names) != len(set(names)):
                self._ledger.record(DUPLICATED, f"{self.owner.name} sees {sorted(names)}")

    async def export(self) -> None:
        """Export a resume, and fetch the PDF."""
        if (resume := self._pick_resume()) is None:
            return
        answer = await self.browser.request(
            "POST", f"/api/resumes/{resume.id}/export_pdf/", json={}, expect=(200, *self._tolerated)
        )
        if answer is None or answer.status_code != 200:
            return
        if set(answer.json()) != {"pdf_url", "has_watermark"}:
            self._ledger.record(BAD_RESPONSE, f"an export answers {answer.text[:200]}")
        file = await self.browser.request("GET", answer.json()["pdf_url"].removeprefix(self.browser.url), expect=(200,))
        if file is not None and not file.content.startswith(b"%PDF"):
            self._ledger.record(BAD_RESPONSE, f"the PDF of resume {resume.id} begins with {file.content[:20]!r}")

    async def buy(self) -> None:
        """Buy one resume."""
        if (resume := self._pick_resume()) is not None:
            await self._pay("single", resume)

    async def subscribe(self) -> None:
        """Subscribe. With an active subscription the checkout leads to the portal."""
        await self._pay(self._rng.choice(["monthly", "yearly"]), None)

    async def renew_or_end(self) -> None:
        """Let the provider renew or cancel a subscription."""
        sessions = [each.session_id for each in self.owner.checkouts if each.kind != "single"]
        if not sessions:
            return
        session_id, change = self._rng.choice(sessions), self._rng.choice(["renew", "renew", "cancel"])
        with suppress(AssertionError):  # a fault of the provider, or the subscription has just ended
            session = await self._sandbox.api(f"checkout/sessions/{session_id}")
            if (subscription := session["subscription"]) and await self._sandbox.status(subscription) == "active":
                await self._sandbox.control(change, subscription=subscription)

    async def delete(self) -> None:
        """Delete a resume; retry until there is a response."""
        if (resume := self._pick_resume()) is None:
            return
        was_asked = False

        async def attempt() -> httpx.Response | None:
            nonlocal was_asked
            expect = (204, 404) if was_asked else (204, *self._tolerated)
            was_asked, resume.deleted = True, "perhaps"
            return await self.browser.request("DELETE", f"/api/resumes/{resume.id}/", expect=expect)

        answer = await self.browser.retry(attempt)
        if answer is None or (answer.status_code == 404 and self._tolerated):
            self._ledger.unknown += 1
        else:
            self._ledger.acknowledged += 1
            resume.deleted = "yes"

    async def register(self) -> None:
        """Register with the current session and log in. The account takes over the session's data."""
        if self.owner.has_account:
            return
        name = self.owner.name.replace(" ", "_")
        email = f"{name}@example.com"
        self._tolerated = (404,) if self.owner.resumes else ()
        body = {"username": name, "email": email, "password": PASSWORD, "password2": PASSWORD}

        async def attempt() -> httpx.Response | None:
            expect = (201, 400) if self.owner.email else (201,)
            self.owner.email = email
            return await self.browser.request("POST", "/api/auth/register/", json=body, expect=expect)

        answer = await self.browser.retry(attempt)
        if answer is None or answer.status_code not in (201, 400):
            self._ledger.unknown += 1
            return
        self.owner.has_account = True  # 400 for a retry: the first attempt took effect
        self._ledger.acknowledged += 1
        await self.log_in()

    async def log_in(self) -> bool:
        """Get a new token. Returns False without a response, or if an unacknowledged account does not exist."""
        body = {"email": self.owner.email, "password": PASSWORD}
        self.browser.token = None
        expect = (200,) if self.owner.has_account else (200, 401)

        async def attempt() -> httpx.Response | None:
            return await self.browser.request("POST", "/api/auth/login/", json=body, expect=expect)

        answer = await self.browser.retry(attempt)
        if answer is None:
            return False
        if answer.status_code == 401 and not self.owner.has_account:
            return False
        if answer.status_code != 200:
            self._ledger.record(LOST, f"the account {self.owner.email} cannot log in: {answer.text[:200]}")
            return False
        self.owner.has_account = True
        self.browser.token = answer.json()["access"]
        return True

    async def _patch(self, resume: Resume, **body: Any) -> httpx.Response | None:
        headers = {"If-Match": resume.etag}
        return await self.browser.request(
            "PATCH", f"/api/resumes/{resume.id}/", headers=headers, expect=(200, 412, *self._tolerated), **body
        )

    async def _read_back(self, resume: Resume, refused_for: str | None = None) -> None:
        """Read the resume and check it. `refused_for` is an ETag that must not be current any more."""

        async def attempt() -> httpx.Response | None:
            return await self.browser.request("GET", f"/api/resumes/{resume.id}/", expect=(200, *self._tolerated))

        answer = await self.browser.retry(attempt, timeout=20)
        if answer is None or answer.status_code in self._tolerated:
            return
        if answer.status_code != 200:
            self._ledger.record(LOST, f"resume {resume.id} of {self.owner.name}: {answer.status_code}")
            return
        self._check_resume(resume, answer)
        if refused_for == answer.headers["etag"]:
            self._ledger.record(DISAGREES, f"resume {resume.id} refused its own ETag {refused_for}")

    def _check_resume(self, resume: Resume, answer: httpx.Response) -> None:
        shown = answer.json()
        self._check_shape(shown)
        known = f"{resume.mark} or {sorted(resume.unknown)}"
        marks = marks_of(shown)
        if len(marks) != 1:
            self._ledger.record(DISAGREES, f"resume {resume.id} shows parts of several writes: {sorted(marks)}")
        elif not resume.observe(min(marks), answer.headers["etag"]):
            self._ledger.record(LOST, f"resume {resume.id} shows write {marks}, expected {known}")

    async def _pay(self, kind: Kind, resume: Resume | None) -> None:
        body = {
            "payment_type": kind,
            **({} if resume is None else {"resume_id": resume.id}),
            "success_url": f"{self.browser.url}/?paid=yes",
            "cancel_url": f"{self.browser.url}/?paid=no",
        }

        async def attempt() -> httpx.Response | None:
            return await self.browser.request("POST", "/api/payments/create-checkout/", json=body, expect=(200, 400))

        answer = await self.browser.retry(attempt, timeout=20)
        if answer is None:
            return
        if answer.status_code == 400:
            if not any(each.resume is resume for each in self.owner.checkouts):
                self._ledger.record(DISAGREES, f"{body} was refused, but not bought before: {answer.text[:200]}")
            return
        url = str(answer.json().get("url"))
        if "/c/pay/" not in url:
            return  # the portal, or a recorded problem
        session_id = url.split("#")[0].rpartition("/")[2]
        checkout = next((each for each in self.owner.checkouts if each.session_id == session_id), None)
        if checkout is None:
            checkout = Checkout(session_id, kind, resume)
            self.owner.checkouts.append(checkout)
        if self._rng.random() < 0.15:
            return  # the buyer leaves the page
        await self._sandbox.pay(url)
        await self._watch(checkout)

    async def _watch(self, checkout: Checkout) -> None:
        """Poll, as the page of `success_url` does, until the payment takes effect."""
        began = time.monotonic()
        path = f"/api/payments/checkout/{checkout.session_id}/"
        while time.monotonic() < began + _EFFECT_TIMEOUT:
            answer = await self.browser.request("GET", path, expect=(200, *self._tolerated))
            if answer is not None and answer.status_code == 200 and answer.json()["status"] != "pending":
                checkout.seconds_to_effect = time.monotonic() - began
                return
            await asyncio.sleep(1)

    def _pick_resume(self) -> Resume | None:
        living = [each for each in self.owner.resumes if each.deleted == "no"]
        return self._rng.choice(living) if living else None

    def _check_shape(self, shown: dict[str, Any]) -> None:
        if set(shown) != RESUME_KEYS:
            self._ledger.record(BAD_RESPONSE, f"a resume has other keys: {sorted(set(shown) ^ RESUME_KEYS)}")
