"""What visitors do while things fail: write, save, buy, delete, open accounts. Each notes what it was promised."""

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
from dev.chaos.ledger import DISAGREES, DOUBLED, LOST, MISBEHAVED, Checkout, Kind, Ledger, Owner, Resume
from tests.contract.document import EXAMPLES
from tests.integration.stripe_sandbox import StripeSandbox

PASSWORD = "Chaos-pass-123"  # noqa: S105 - of nobody
FREE, PREMIUM = 1, 2
RESUME_KEYS = frozenset(EXAMPLES["3.1 response, user"][0])
_EFFECT_WITHIN = 20.0
"""Seconds that a buyer watches a payment; what comes later is checked in the end."""


def marks_of(shown: dict[str, Any]) -> set[int]:
    """The marks that a resume shows: one, unless a write took effect by half."""
    companies = [entry["company"] for entry in shown["experiences"]]
    return {int(text.removeprefix("w")) for text in (shown["title"], shown["summary"], *companies)}


def marked(mark: int) -> dict[str, Any]:
    """The fields of a write."""
    text = f"w{mark}"
    entry = {"company": text, "position": "Engineer", "start_date": "2020-01-01"}
    return {"title": text, "summary": text, "experience_data": [entry]}


class Visitor:
    """One visitor from the first request to the last."""

    def __init__(
        self, owner: Owner, browser: Browser, sandbox: StripeSandbox, ledger: Ledger, dice: random.Random
    ) -> None:
        self.owner = owner
        self.browser = browser
        self._sandbox = sandbox
        self._ledger = ledger
        self._dice = dice
        self._gone: tuple[int, ...] = ()
        """404, once a session's things may be on their way to the account: they are found in the end, if not now."""

    async def live(self, until: float) -> None:
        """Do a number of things in a random order."""
        if self._dice.random() < 0.4:
            await self.register()
        for _ in range(self._dice.randint(1, 2)):
            await self.create()
        acts = {
            self.save: 10, self.read: 3, self.list: 2, self.photo: 2, self.export: 2, self.buy: 3, self.subscribe: 1,
            self.renew_or_end: 1, self.delete: 1, self.create: 1, self.register: 1,
        }  # fmt: skip
        for act in self._dice.choices([*acts], [*acts.values()], k=self._dice.randint(10, 25)):
            if time.monotonic() > until or not self.owner.resumes:
                return
            await act()
            await asyncio.sleep(self._dice.uniform(0, 0.5))

    async def create(self) -> None:
        """Write a resume, and ask again with the same key until that is answered."""
        name = f"{self.owner.name} {len(self.owner.resumes) + len(self.owner.unknown_creations)}"
        template = self._dice.choice([FREE, PREMIUM, PREMIUM])
        body = {"template": template, "full_name": name, "email": "chaos@example.com", **marked(0)}
        key = {"Idempotency-Key": str(UUID(int=self._dice.getrandbits(128), version=4))}

        async def attempt() -> httpx.Response | None:
            return await self.browser.ask("POST", "/api/resumes/", json=body, headers=key, expect=(201,))

        answer = await self.browser.insist(attempt)
        if answer is None or answer.status_code != 201:
            self._ledger.unknown += 1
            self.owner.unknown_creations.add(name)
            return
        shown = answer.json()
        self._check_shape(shown)
        self._ledger.acknowledged += 1
        self.owner.resumes.append(Resume(shown["id"], name, template, answer.headers["etag"]))

    async def save(self) -> None:
        """Auto-save for the ETag that is known; who gets no answer looks, as a frontend does, or goes on later."""
        if (resume := self._one()) is None:
            return
        mark, resume.next_mark = resume.next_mark, resume.next_mark + 1
        resume.unknown[mark] = sent_for = resume.etag
        answer = await self._patch(resume, json=marked(mark))
        if answer is None:
            self._ledger.unknown += 1
            if self._dice.random() < 0.7:
                await self._look(resume)
        elif answer.status_code == 200:
            self._ledger.acknowledged += 1
            self._check_shape(answer.json())
            if marks_of(answer.json()) != {mark}:
                self._ledger.note(DISAGREES, f"resume {resume.id} answers {marks_of(answer.json())} to {mark}")
            resume.saw(mark, answer.headers["etag"])
        else:
            del resume.unknown[mark]
            await self._look(resume, refused_for=sent_for if answer.status_code == 412 else None)

    async def photo(self) -> None:
        """Upload a photo."""
        if (resume := self._one()) is None:
            return
        picture = io.BytesIO()
        Image.new("RGB", (64, 64), tuple(self._dice.choices(range(256), k=3))).save(picture, "PNG")
        answer = await self._patch(resume, files={"photo": ("me.png", picture.getvalue(), "image/png")})
        if answer is None:
            self._ledger.unknown += 1
            resume.has_photo = resume.has_photo or None
            await self._look(resume)
        elif answer.status_code == 200:
            self._ledger.acknowledged += 1
            resume.has_photo = True
            self._saw(resume, answer)
        else:
            await self._look(resume)

    async def read(self) -> None:
        """Open a resume."""
        if (resume := self._one()) is not None:
            await self._look(resume)

    async def list(self) -> None:
        """Look at all of one's resumes: none twice."""
        answer = await self.browser.ask("GET", "/api/resumes/", expect=(200,))
        if answer is not None and answer.status_code == 200:
            for shown in answer.json():
                self._check_shape(shown)
            names = [shown["full_name"] for shown in answer.json()]
            if len(names) != len(set(names)):
                self._ledger.note(DOUBLED, f"{self.owner.name} sees {sorted(names)}")

    async def export(self) -> None:
        """Export a resume, and fetch the PDF."""
        if (resume := self._one()) is None:
            return
        answer = await self.browser.ask(
            "POST", f"/api/resumes/{resume.id}/export_pdf/", json={}, expect=(200, *self._gone)
        )
        if answer is None or answer.status_code != 200:
            return
        if set(answer.json()) != {"pdf_url", "has_watermark"}:
            self._ledger.note(MISBEHAVED, f"an export answers {answer.text[:200]}")
        file = await self.browser.ask("GET", answer.json()["pdf_url"].removeprefix(self.browser.url), expect=(200,))
        if file is not None and not file.content.startswith(b"%PDF"):
            self._ledger.note(MISBEHAVED, f"the PDF of resume {resume.id} begins with {file.content[:20]!r}")

    async def buy(self) -> None:
        """Buy one resume."""
        if (resume := self._one()) is not None:
            await self._pay("single", resume)

    async def subscribe(self) -> None:
        """Subscribe, or be sent to the portal by a subscription that lives."""
        await self._pay(self._dice.choice(["monthly", "yearly"]), None)

    async def renew_or_end(self) -> None:
        """The provider renews a subscription, or ends it."""
        sessions = [each.session_id for each in self.owner.checkouts if each.kind != "single"]
        if not sessions:
            return
        session_id, change = self._dice.choice(sessions), self._dice.choice(["renew", "renew", "cancel"])
        with suppress(AssertionError):  # the provider fails for everybody, or the subscription has just ended
            session = await self._sandbox.api(f"checkout/sessions/{session_id}")
            if (subscription := session["subscription"]) and await self._sandbox.status(subscription) == "active":
                await self._sandbox.control(change, subscription=subscription)

    async def delete(self) -> None:
        """Delete a resume, and ask again until that is answered."""
        if (resume := self._one()) is None:
            return
        was_asked = False

        async def attempt() -> httpx.Response | None:
            nonlocal was_asked
            expect = (204, 404) if was_asked else (204, *self._gone)
            was_asked, resume.deleted = True, "perhaps"
            return await self.browser.ask("DELETE", f"/api/resumes/{resume.id}/", expect=expect)

        answer = await self.browser.insist(attempt)
        if answer is None or (answer.status_code == 404 and self._gone):
            self._ledger.unknown += 1
        else:
            self._ledger.acknowledged += 1
            resume.deleted = "yes"

    async def register(self) -> None:
        """Open an account with the session one has, and log in: the session's resumes and purchases follow."""
        if self.owner.has_account:
            return
        name = self.owner.name.replace(" ", "_")
        email = f"{name}@example.com"
        self._gone = (404,) if self.owner.resumes else ()
        body = {"username": name, "email": email, "password": PASSWORD, "password2": PASSWORD}

        async def attempt() -> httpx.Response | None:
            expect = (201, 400) if self.owner.email else (201,)
            self.owner.email = email
            return await self.browser.ask("POST", "/api/auth/register/", json=body, expect=expect)

        answer = await self.browser.insist(attempt)
        if answer is None or answer.status_code not in (201, 400):
            self._ledger.unknown += 1
            return
        self.owner.has_account = True  # 400 to a repetition: the first attempt took effect
        self._ledger.acknowledged += 1
        await self.log_in()

    async def log_in(self) -> bool:
        """Have a new token; False when there was no answer, or no account although none was acknowledged."""
        body = {"email": self.owner.email, "password": PASSWORD}
        self.browser.token = None
        expect = (200,) if self.owner.has_account else (200, 401)

        async def attempt() -> httpx.Response | None:
            return await self.browser.ask("POST", "/api/auth/login/", json=body, expect=expect)

        answer = await self.browser.insist(attempt)
        if answer is None:
            return False
        if answer.status_code == 401 and not self.owner.has_account:
            return False
        if answer.status_code != 200:
            self._ledger.note(LOST, f"the account {self.owner.email} cannot log in: {answer.text[:200]}")
            return False
        self.owner.has_account = True
        self.browser.token = answer.json()["access"]
        return True

    async def _patch(self, resume: Resume, **body: Any) -> httpx.Response | None:
        headers = {"If-Match": resume.etag}
        return await self.browser.ask(
            "PATCH", f"/api/resumes/{resume.id}/", headers=headers, expect=(200, 412, *self._gone), **body
        )

    async def _look(self, resume: Resume, refused_for: str | None = None) -> None:
        """See what the resume shows. `refused_for` is an ETag that it had no more."""

        async def attempt() -> httpx.Response | None:
            return await self.browser.ask("GET", f"/api/resumes/{resume.id}/", expect=(200, *self._gone))

        answer = await self.browser.insist(attempt, patience=20)
        if answer is None or answer.status_code in self._gone:
            return
        if answer.status_code != 200:
            self._ledger.note(LOST, f"resume {resume.id} of {self.owner.name}: {answer.status_code}")
            return
        self._saw(resume, answer)
        if refused_for == answer.headers["etag"]:
            self._ledger.note(DISAGREES, f"resume {resume.id} refused its own ETag {refused_for}")

    def _saw(self, resume: Resume, answer: httpx.Response) -> None:
        shown = answer.json()
        self._check_shape(shown)
        known = f"{resume.mark} or {sorted(resume.unknown)}"
        marks = marks_of(shown)
        if len(marks) != 1:
            self._ledger.note(DISAGREES, f"resume {resume.id} shows halves of writes: {sorted(marks)}")
        elif not resume.saw(min(marks), answer.headers["etag"]):
            self._ledger.note(LOST, f"resume {resume.id} shows write {marks}, expected {known}")

    async def _pay(self, kind: Kind, resume: Resume | None) -> None:
        body = {
            "payment_type": kind,
            **({} if resume is None else {"resume_id": resume.id}),
            "success_url": f"{self.browser.url}/?paid=yes",
            "cancel_url": f"{self.browser.url}/?paid=no",
        }

        async def attempt() -> httpx.Response | None:
            return await self.browser.ask("POST", "/api/payments/create-checkout/", json=body, expect=(200, 400))

        answer = await self.browser.insist(attempt, patience=20)
        if answer is None:
            return
        if answer.status_code == 400:
            if not any(each.resume is resume for each in self.owner.checkouts):
                self._ledger.note(DISAGREES, f"{body} was refused, but not bought before: {answer.text[:200]}")
            return
        url = str(answer.json().get("url"))
        if "/c/pay/" not in url:
            return  # the portal, or an answer that was noted
        session_id = url.split("#")[0].rpartition("/")[2]
        checkout = next((each for each in self.owner.checkouts if each.session_id == session_id), None)
        if checkout is None:
            checkout = Checkout(session_id, kind, resume)
            self.owner.checkouts.append(checkout)
        if self._dice.random() < 0.15:
            return  # the buyer leaves the page
        await self._sandbox.pay(url)
        await self._watch(checkout)

    async def _watch(self, checkout: Checkout) -> None:
        """Ask, as the page behind `success_url` does, until the payment has taken effect."""
        began = time.monotonic()
        path = f"/api/payments/checkout/{checkout.session_id}/"
        while time.monotonic() < began + _EFFECT_WITHIN:
            answer = await self.browser.ask("GET", path, expect=(200, *self._gone))
            if answer is not None and answer.status_code == 200 and answer.json()["status"] != "pending":
                checkout.seconds_to_effect = time.monotonic() - began
                return
            await asyncio.sleep(1)

    def _one(self) -> Resume | None:
        living = [each for each in self.owner.resumes if each.deleted == "no"]
        return self._dice.choice(living) if living else None

    def _check_shape(self, shown: dict[str, Any]) -> None:
        if set(shown) != RESUME_KEYS:
            self._ledger.note(MISBEHAVED, f"a resume has other keys: {sorted(set(shown) ^ RESUME_KEYS)}")
