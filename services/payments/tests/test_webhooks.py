"""Webhooks: which are accepted, and that no event is lost or counts twice."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cv_payments.actions import webhooks
from cv_payments.main import app
from cv_testing.serving import eventually, serving
from stripe import WebhookSignature

from services.payments.tests.replica import Replica
from services.payments.tests.system import API_KEY, SECRETS, System, event, signed

OK = (200, {"status": "success"})


async def paid_without_webhook(system: System) -> tuple[int, str]:
    """Return a paid resume whose webhook was lost, and the id of its session."""
    user, resume_id = system.new_user(), system.new_resume()
    page = await system.single_page(user, resume_id)
    await system.control("delivery", drop=["*"])
    await system.press(page)
    return resume_id, system.session_at(page).id


@pytest.mark.parametrize("secret", SECRETS)
async def test_each_secret_is_accepted(system: System, secret: str) -> None:
    resume_id, session_id = await paid_without_webhook(system)
    answer = await system.deliver(event("checkout.session.completed", session_id), secret=secret)
    assert (answer.status_code, answer.json()) == OK
    await eventually(lambda: system.published_paid(resume_id) == [True])


async def test_webhook_with_an_invalid_signature_is_rejected(system: System) -> None:
    resume_id, session_id = await paid_without_webhook(system)
    body = event("checkout.session.completed", session_id)
    raw = json.dumps(body).encode()
    now = int(time.time())
    signature = WebhookSignature.generate_signature_header(raw.decode(), SECRETS[0], now).partition("v1=")[2]
    for header in (
        None,
        "",
        "nonsense",
        f"t={now}",
        f"t={now},v1=",
        f"t={now},v0={signature}",
        f"t={now},v1=é",
        f"t=x,v1={signature}",
        f"v1={signature}",
        signed(raw, secret="whsec_somebody_else"),
        signed(raw + b" "),
        signed(raw, age=400),
        signed(raw, age=-400),
    ):
        answer = await system.deliver_raw(raw, header)
        assert (answer.status_code, list(answer.json())) == (400, ["detail"]), header
    assert system.published_paid(resume_id) == []
    assert system.stored_event(body["id"]) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"object": "event"}',
        b'{"object": "event", "id": 1, "type": "charge.refunded", "livemode": false}',
        b'{"object": "v2.core.event", "id": "evt_1", "type": "charge.refunded", "livemode": false}',
    ],
)
async def test_body_that_is_not_an_event_is_rejected(system: System, body: bytes) -> None:
    assert (await system.deliver(body)).status_code == 400


async def test_event_of_the_other_mode_is_rejected(system: System) -> None:
    assert (await system.deliver(event("charge.refunded", "ch_1", livemode=True))).status_code == 400


async def test_body_of_more_than_a_mebibyte_is_rejected(system: System) -> None:
    padded = event("customer.created", "cus_1", padding="x" * 1024 * 1023)
    assert (await system.deliver(padded)).status_code == 200
    assert (await system.deliver({**padded, "padding": "x" * 1024 * 1024})).status_code == 413


async def test_unknown_event_type_is_stored_and_ignored(system: System) -> None:
    unknown = event("customer.tax_id.created", "txi_1")
    answer = await system.deliver(unknown)
    assert (answer.status_code, answer.json()) == OK
    assert system.stored_event(unknown["id"])["outcome"] == "ignored"


async def test_personal_data_of_events_is_not_stored(system: System) -> None:
    stripe_event = event("checkout.session.completed", "cs_of_nobody", buyer="marie.dubois@example.com")
    await system.deliver(stripe_event)
    kept = system.stored_event(stripe_event["id"])
    assert kept["object_id"] == "cs_of_nobody"
    assert "marie.dubois" not in str(kept)


@pytest.mark.parametrize("length", [101, 255])
async def test_ids_may_be_long(system: System, length: int) -> None:
    stripe_event = event("checkout.session.completed", "cs_".ljust(length, "1"))
    stripe_event["id"] = stripe_event["id"].ljust(length, "1")
    answer = await system.deliver(stripe_event)
    assert (answer.status_code, answer.json()) == OK
    kept = system.stored_event(stripe_event["id"])
    assert (kept["object_id"], kept["outcome"]) == (stripe_event["data"]["object"]["id"], "quarantined")
    assert kept["error"] == f"Stripe has no {kept['object_id']} in this account"


@pytest.mark.parametrize("field", ["id", "type"])
@pytest.mark.parametrize("word", ["evt_\0", "evt_".ljust(256, "1"), "evt_" + "1" * 20_000, "", "évt_1"])
async def test_event_whose_id_or_type_cannot_be_stored_is_rejected(system: System, field: str, word: str) -> None:
    assert (await system.deliver(event("checkout.session.completed", "cs_1") | {field: word})).status_code == 400


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"object": None},
        {"object": {}},
        {"object": {"id": 7}},
        {"object": {"id": "cs_\0"}},
        {"object": {"id": "cs_".ljust(256, "1")}},
        {"object": {"id": "cs_" + "1" * 100_000}},
        [],
        None,
    ],
)
async def test_event_without_an_object_id_is_quarantined(system: System, about: Any) -> None:
    malformed = event("checkout.session.completed", "", data=about)
    answer = await system.deliver(malformed)
    assert (answer.status_code, answer.json()) == OK
    kept = system.stored_event(malformed["id"])
    assert (kept["object_id"], kept["outcome"]) == (None, "quarantined")


async def test_object_of_another_account_is_quarantined(system: System) -> None:
    foreign = event("checkout.session.completed", "cs_test_of_another_account")
    assert (await system.deliver(foreign)).status_code == 200
    assert system.stored_event(foreign["id"])["outcome"] == "quarantined"


async def test_session_of_another_application_is_ignored(system: System) -> None:
    session = system.stripe.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "client_reference_id": "another-product",
            "line_items": [{"price": system.price_id("cv_single"), "quantity": 1}],
            "success_url": "https://example.com/",
        }
    )
    ours_not = event("checkout.session.expired", session.id)
    await system.deliver(ours_not)
    assert system.stored_event(ours_not["id"])["outcome"] == "ignored"


async def test_event_delivered_twenty_times_at_once_counts_once(system: System) -> None:
    resume_id, session_id = await paid_without_webhook(system)
    stripe_event = event("checkout.session.completed", session_id)
    answers = await asyncio.gather(*(system.deliver(stripe_event) for _ in range(20)))
    assert {(answer.status_code, answer.json()["status"]) for answer in answers} == {(200, "success")}
    await eventually(lambda: system.published_paid(resume_id) == [True])
    assert system.stored_event(stripe_event["id"])["attempts"] == 1


async def test_many_events_of_one_change_count_once(system: System) -> None:
    resume_id, session_id = await paid_without_webhook(system)
    kinds = ["checkout.session.completed", "checkout.session.async_payment_succeeded"] * 5
    await asyncio.gather(*(system.deliver(event(kind, session_id)) for kind in kinds))
    await eventually(lambda: system.published_paid(resume_id) == [True])


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 429}, {"delay": 20}])
async def test_event_is_retried_until_stripe_answers(
    system: System, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    monkeypatch.setattr(webhooks, "_PROCESS_TIMEOUT", 1)
    resume_id, session_id = await paid_without_webhook(system)
    await system.control("fault", method="GET", path="/v1/checkout/sessions", times=3, **fault)
    answer = await system.deliver(event("checkout.session.completed", session_id))
    assert (answer.status_code, answer.json()) == OK
    assert system.published_paid(resume_id) == []
    await system.control("clear-faults")
    await eventually(lambda: system.published_paid(resume_id) == [True])


async def test_expired_session_fails_the_payment(system: System) -> None:
    page = await system.single_page(system.new_user(), system.new_resume())
    session = system.session_at(page)
    system.stripe.v1.checkout.sessions.expire(session.id)
    await eventually(lambda: system.payment_of(page)["status"] == "failed")


@pytest.mark.parametrize(("arrived", "status"), [(True, "succeeded"), (False, "failed")])
async def test_delayed_payment(system: System, arrived: bool, status: str) -> None:
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    session = system.session_at(page)
    await system.press(page, "pay-later")
    await eventually(lambda: system.session_at(page).status == "complete")
    assert system.payment_of(page)["status"] == "pending"
    assert system.published_paid(resume_id) == []
    await system.control("settle", session=session.id, arrived=arrived)
    await eventually(lambda: system.payment_of(page)["status"] == status)
    await eventually(lambda: system.published_paid(resume_id) == ([True] if arrived else []))


@pytest.mark.parametrize("button", ["decline", "fail-authentication"])
async def test_payment_stays_pending_after_a_declined_card(system: System, button: str) -> None:
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    await system.press(page, button)
    assert system.payment_of(page)["status"] == "pending"
    await system.press(page)
    await eventually(lambda: system.published_paid(resume_id) == [True])


async def test_webhook_without_a_configured_secret_is_404(
    system: System, environment: Callable[..., dict[str, str]]
) -> None:
    settings = environment(
        DATABASE_URL=system.database_url, RESUMES_URL=system.resumes_url, STRIPE_WEBHOOK_SECRETS=json.dumps([])
    )
    stripe_event = event("charge.refunded", "ch_1")
    async with serving(app, settings) as without:
        answer = await system.deliver(stripe_event, to=without)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
    assert system.stored_event(stripe_event["id"]) == {}


async def test_no_secret_is_logged(system: System, replica: Replica) -> None:
    """The log of a purchase, a valid and an invalid webhook, and a Stripe error contains no secret."""
    user, resume_id, email = system.new_user(), system.new_resume(), "jeanne.buyer@example.com"
    requested: dict[str, Any] = {"payment_type": "single", "resume_id": resume_id}
    await system.control("fault", path="/v1/checkout/sessions", times=3, status=500)
    assert (await system.checkout(user, to=replica.client, **requested)).status_code == 503
    await system.control("clear-faults")
    page = (await system.checkout(user, to=replica.client, **requested)).json()["url"]
    await system.control("delivery", drop=["*"])
    await system.sandbox.post(f"{page}/pay", data={"email": email, "name": "Jeanne Buyer"})
    paid = system.session_at(page)
    assert paid.customer_details is not None
    assert paid.customer_details.email == email
    shown: Any = {**event("checkout.session.completed", ""), "data": {"object": paid.to_dict(for_json=True)}}
    assert (await system.deliver(shown, to=replica.client)).status_code == 200
    await eventually(lambda: system.published_paid(resume_id) == [True])
    raw = json.dumps(shown).encode()
    forged = signed(raw, secret="whsec_somebody_else")
    assert (await system.deliver_raw(raw, forged, to=replica.client)).status_code == 400
    assert (await system.deliver(event("charge.refunded", "ch_1"), to=replica.client)).status_code == 200
    log = replica.log.read_text()
    assert "quarantined" in log
    for secret in (API_KEY, *SECRETS, page, "/c/pay/", email, "Jeanne", forged.partition("v1=")[2], "v1="):
        assert secret not in log, secret
