"""Events of payments, auth and templates, over the real broker, and their effect on responses."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cv_common.messaging.broker import Broker, BrokerUnavailable
from cv_common.messaging.events import (
    Event,
    ResumePaymentChanged,
    SessionClaimed,
    SubscriptionChanged,
    TemplateChanged,
    UserDeleted,
)
from cv_testing.identity import IdentityKeys
from cv_testing.nats import Nats
from cv_testing.serving import eventually

PREMIUM = {"template": 2, "full_name": "John Doe", "email": "john@example.com"}


@pytest.fixture(scope="session")
async def publishers(nats_server: Nats) -> AsyncIterator[dict[str, Broker]]:
    brokers = {}
    for service in ("auth", "payments", "templates"):
        login = nats_server.environment(service)
        brokers[service] = Broker(
            login["NATS_URL"], login["NATS_USER"], login["NATS_PASSWORD"], service=service, publishes=True
        )
        await brokers[service].start()
    yield brokers
    for broker in brokers.values():
        await broker.stop()


class Publisher:
    """Publishes as the service that owns an event."""

    def __init__(self, brokers: dict[str, Broker]) -> None:
        self._brokers = brokers

    async def __call__(self, event: Event) -> None:
        broker = self._brokers[event.stream().lower()]

        async def published() -> bool:
            try:
                await broker.publish(event.name, event.model_dump_json().encode(), str(event.id))
            except BrokerUnavailable:
                return False
            return True

        await eventually(published)


@pytest.fixture
def publish(publishers: dict[str, Broker]) -> Publisher:
    return Publisher(publishers)


@pytest.fixture
async def resume(resumes: httpx.AsyncClient, user: dict[str, str]) -> dict[str, Any]:
    """A resume with a premium template, nothing paid."""
    created: dict[str, Any] = (await resumes.post("/api/resumes/", json=PREMIUM, headers=user)).json()
    assert payment(created) == (False, "free", False)
    return created


def payment(resume: dict[str, Any]) -> tuple[bool, str, bool]:
    return resume["is_paid"], resume["payment_type"], resume["can_export_without_watermark"]


def subscribed(user_id: int, revision: int, **until: float) -> SubscriptionChanged:
    """The user's subscription: entitled for so long from now, or not at all."""
    return SubscriptionChanged(
        revision=revision,
        user_id=user_id,
        session_id=None,
        status="active" if until else "canceled",
        subscription_type="monthly",
        subscription_end_date=None,
        entitled_until=datetime.now(UTC) + timedelta(**until) if until else None,
    )


async def test_bought_resume_is_paid_until_it_is_refunded(
    resumes: httpx.AsyncClient, user: dict[str, str], resume: dict[str, Any], publish: Publisher
) -> None:
    async def paid(expected: tuple[bool, str, bool]) -> None:
        async def seen() -> bool:
            answer = await resumes.get(f"/api/resumes/{resume['id']}/", headers=user)
            return payment(answer.json()) == expected

        await eventually(seen)

    await publish(ResumePaymentChanged(resume_id=resume["id"], paid=True, revision=10))
    await paid((True, "single", True))
    await publish(ResumePaymentChanged(resume_id=resume["id"], paid=False, revision=11))
    await paid((False, "free", False))


async def test_late_and_repeated_payment_events_change_nothing(
    resumes: httpx.AsyncClient, user: dict[str, str], resume: dict[str, Any], publish: Publisher
) -> None:
    newest = ResumePaymentChanged(resume_id=resume["id"], paid=True, revision=20)
    last = (await resumes.post("/api/resumes/", json=PREMIUM, headers=user)).json()
    for event in (
        newest,
        ResumePaymentChanged(resume_id=resume["id"], paid=False, revision=19),
        newest.model_copy(update={"paid": False}),
        ResumePaymentChanged(resume_id=last["id"], paid=True, revision=1),
    ):
        await publish(event)

    async def the_last_one_is_taken() -> bool:
        return bool((await resumes.get(f"/api/resumes/{last['id']}/", headers=user)).json()["is_paid"])

    await eventually(the_last_one_is_taken)
    answer = await resumes.get(f"/api/resumes/{resume['id']}/", headers=user)
    assert payment(answer.json()) == (True, "single", True)


async def test_subscription_pays_for_every_resume_until_it_ends(
    resumes: httpx.AsyncClient, user: dict[str, str], user_id: int, resume: dict[str, Any], publish: Publisher
) -> None:
    async def shown() -> tuple[bool, str, bool]:
        return payment((await resumes.get(f"/api/resumes/{resume['id']}/", headers=user)).json())

    async def entitled() -> bool:
        return await shown() == (True, "subscription", True)

    async def not_entitled() -> bool:
        return await shown() == (False, "free", False)

    await publish(subscribed(user_id, 1, days=30))
    await eventually(entitled)
    await publish(subscribed(user_id, 2, seconds=0.2))
    await eventually(not_entitled)  # by the clock alone: no event says so
    await publish(subscribed(user_id, 3, days=1))
    await eventually(entitled)
    await publish(subscribed(user_id, 4))
    await eventually(not_entitled)


async def test_template_that_becomes_premium_changes_the_resumes_that_use_it(
    resumes: httpx.AsyncClient,
    user: dict[str, str],
    publish: Publisher,
    fake_services: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fake_services[0], "known", {5})
    created = (await resumes.post("/api/resumes/", json={**PREMIUM, "template": 5}, headers=user)).json()
    assert payment(created) == (False, "free", True)
    await publish(TemplateChanged(template_id=5, is_premium=True, is_active=True, revision=1))

    async def needs_payment() -> bool:
        return payment((await resumes.get(f"/api/resumes/{created['id']}/", headers=user)).json())[2] is False

    await eventually(needs_payment)


async def test_export_asks_for_a_template_again_only_after_it_changed(
    resumes: httpx.AsyncClient,
    user: dict[str, str],
    publish: Publisher,
    fake_services: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fakes = fake_services[0]
    monkeypatch.setattr("cv_resumes.clients._MAX_AGE", 3600)
    monkeypatch.setattr(fakes, "known", {6})
    created = (await resumes.post("/api/resumes/", json={**PREMIUM, "template": 6}, headers=user)).json()
    path = f"/api/resumes/{created['id']}/"

    async def has_watermark() -> bool:
        watermark = (await resumes.post(f"{path}export_pdf/", json={}, headers=user)).json()["has_watermark"]
        return bool(watermark)

    assert not await has_watermark()
    asked = fakes.template_requests
    assert not await has_watermark()
    assert not await has_watermark()
    assert fakes.template_requests == asked
    monkeypatch.setattr(fakes, "premium", {6})
    await publish(TemplateChanged(template_id=6, is_premium=True, is_active=True, revision=1))
    await eventually(has_watermark)
    assert fakes.template_requests == asked + 1


async def test_claim_event_transfers_resumes_and_entitlement(
    resumes: httpx.AsyncClient, stranger: dict[str, str], user: dict[str, str], user_id: int, publish: Publisher
) -> None:
    session_id = (await resumes.post("/api/resumes/", json=PREMIUM, headers=stranger)).json()["session_id"]
    bought = subscribed(user_id, 1, days=30).model_copy(update={"user_id": None, "session_id": session_id})
    await publish(bought)
    await publish(SessionClaimed(session_id=session_id, user_id=user_id, revision=1))

    async def moved() -> bool:
        return len((await resumes.get("/api/resumes/", headers=user)).json()) == 1

    await eventually(moved)


async def test_erased_account_loses_its_resumes_and_creates_none(
    resumes: httpx.AsyncClient, user: dict[str, str], user_id: int, resume: dict[str, Any], publish: Publisher
) -> None:
    await publish(UserDeleted(user_id=user_id, revision=1))

    async def gone() -> bool:
        return not (await resumes.get("/api/resumes/", headers=user)).json()

    await eventually(gone)
    refused = await resumes.post("/api/resumes/", json=PREMIUM, headers=user)  # its access token is still valid
    assert (refused.status_code, refused.json()) == (401, {"detail": "User not found", "code": "user_not_found"})
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="api"'


async def test_session_that_bought_a_subscription_brings_it_to_the_account(
    resumes: httpx.AsyncClient,
    stranger: dict[str, str],
    user: dict[str, str],
    user_id: int,
    publish: Publisher,
    identity_keys: IdentityKeys,
) -> None:
    created = (await resumes.post("/api/resumes/", json=PREMIUM, headers=stranger)).json()
    session_id = created["session_id"]
    session = identity_keys.session("resumes", session_id)
    await publish(subscribed(0, 1, days=30).model_copy(update={"user_id": None, "session_id": session_id}))

    async def entitled() -> bool:
        answer = await resumes.get(f"/api/resumes/{created['id']}/", headers=session)
        return payment(answer.json()) == (True, "subscription", True)

    await eventually(entitled)
    as_auth = identity_keys.service("resumes", "auth")
    await resumes.post(f"/internal/sessions/{session_id}/claim/", json={"user_id": user_id}, headers=as_auth)
    listed = (await resumes.get("/api/resumes/", headers=user)).json()
    assert [payment(resume) for resume in listed] == [(True, "subscription", True)]
