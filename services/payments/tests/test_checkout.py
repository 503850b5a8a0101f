"""Checkouts, and payments for one resume."""

import asyncio
from typing import Any

import pytest
from cv_common.messaging.events import ResumeDeleted, UserDeleted
from cv_testing.serving import eventually

from services.payments.tests.system import CANCEL, SUCCESS, System


async def test_payment_marks_resume_paid(system: System) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    answer = await system.checkout(user, payment_type="single", resume_id=resume_id)
    assert (answer.status_code, list(answer.json())) == (200, ["url"])
    assert "X-Session-Start" not in answer.headers
    page = answer.json()["url"]
    session = system.session_at(page)
    assert (session.amount_total, session.currency, session.mode) == (499, "eur", "payment")
    assert (await system.press(page)).headers["location"] == SUCCESS
    await eventually(lambda: system.published_paid(resume_id) == [True])
    again = await system.checkout(user, payment_type="single", resume_id=resume_id)
    assert (again.status_code, list(again.json())) == (400, ["resume_id"])


async def test_visitor_gets_a_session_once(system: System) -> None:
    first = await system.checkout(system.as_stranger(), payment_type="single", resume_id=system.new_resume())
    started = first.headers["X-Session-Start"]
    assert len(started) == 32
    second = await system.checkout(system.as_session(started), payment_type="single", resume_id=system.new_resume())
    assert "X-Session-Start" not in second.headers


@pytest.mark.parametrize("payment_type", ["monthly", "yearly"])
async def test_subscription_price(system: System, payment_type: str) -> None:
    page = await system.checkout_page(system.new_user(), payment_type=payment_type)
    session = system.session_at(page)
    amount = {"monthly": 999, "yearly": 9999}[payment_type]
    assert (session.amount_total, session.currency, session.mode) == (amount, "eur", "subscription")


REQUIRED = ["This field is required."]
NOT_A_URL = ["Enter a valid URL."]
NOT_ALLOWED = ["This address is not one that buyers may return to."]


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"payment_type": None}, {"payment_type": ["This field may not be null."]}),
        ({"payment_type": "free"}, {"payment_type": ['"free" is not a valid choice.']}),
        ({"payment_type": ["single"]}, {"payment_type": ["\"['single']\" is not a valid choice."]}),
        ({"resume_id": None}, {"resume_id": REQUIRED}),
        ({"resume_id": "one"}, {"resume_id": ["A valid integer is required."]}),
        ({"resume_id": True}, {"resume_id": ["A valid integer is required."]}),
        ({"resume_id": 1.5}, {"resume_id": ["A valid integer is required."]}),
        ({"resume_id": {}}, {"resume_id": ["A valid integer is required."]}),
        ({"resume_id": 0}, {"resume_id": ["Resume with id 0 does not exist."]}),
        ({"resume_id": -1}, {"resume_id": ["Resume with id -1 does not exist."]}),
        ({"resume_id": 999999}, {"resume_id": ["Resume with id 999999 does not exist."]}),
        ({"resume_id": "999999"}, {"resume_id": ["Resume with id 999999 does not exist."]}),
        ({"resume_id": "999999.0"}, {"resume_id": ["Resume with id 999999 does not exist."]}),
        ({"resume_id": "999999."}, {"resume_id": ["Resume with id 999999 does not exist."]}),
        ({"resume_id": "1e3"}, {"resume_id": ["A valid integer is required."]}),
        ({"resume_id": 2**31}, {"resume_id": ["Ensure this value is less than or equal to 2147483647."]}),
        ({"success_url": ""}, {"success_url": ["This field may not be blank."]}),
        ({"success_url": "/payment/success"}, {"success_url": NOT_A_URL}),
        ({"success_url": "//localhost:3000/"}, {"success_url": NOT_A_URL}),
        ({"success_url": "javascript:alert(1)"}, {"success_url": NOT_A_URL}),
        ({"success_url": "http://localhost:3000\\@evil.example"}, {"success_url": NOT_A_URL}),
        ({"success_url": "http://localhost:3000@evil.example"}, {"success_url": NOT_A_URL}),
        ({"success_url": "http://localhost:3000/\r\nX: y"}, {"success_url": NOT_A_URL}),
        ({"success_url": "http://[localhost:3000/"}, {"success_url": NOT_A_URL}),
        ({"success_url": "http://localhost:99999/"}, {"success_url": NOT_A_URL}),
        ({"success_url": "http://bücher.example/"}, {"success_url": NOT_A_URL}),
        ({"success_url": "https://evil.example/"}, {"success_url": NOT_ALLOWED}),
        ({"success_url": "http://localhost:3000.evil.example/"}, {"success_url": NOT_A_URL}),
        ({"success_url": "https://localhost:3000/"}, {"success_url": NOT_ALLOWED}),
        ({"success_url": "http://localhost:3001/"}, {"success_url": NOT_ALLOWED}),
        ({"success_url": "http://localhost/"}, {"success_url": NOT_ALLOWED}),
        ({"cancel_url": "http://127.0.0.1:3000/"}, {"cancel_url": NOT_ALLOWED}),
        ({"cancel_url": f"http://localhost:3000/{'x' * 2000}"}, {"cancel_url": [
            "Ensure this field has no more than 2000 characters."]}),
    ],
)  # fmt: skip
async def test_invalid_field_is_reported(system: System, changes: dict[str, Any], errors: dict[str, Any]) -> None:
    requested = {"payment_type": "single", "resume_id": system.new_resume(), **changes}
    answer = await system.checkout(system.new_user(), **requested)
    assert (answer.status_code, answer.json()) == (400, errors)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"payment_type": REQUIRED, "success_url": REQUIRED, "cancel_url": REQUIRED}),
        (
            {"resume_id": 999999, "success_url": SUCCESS, "cancel_url": CANCEL},
            {"payment_type": REQUIRED, "resume_id": ["Resume with id 999999 does not exist."]},
        ),
        (
            {"payment_type": "single", "success_url": "https://evil.example/", "cancel_url": "x"},
            {"resume_id": REQUIRED, "success_url": NOT_ALLOWED, "cancel_url": NOT_A_URL},
        ),
        ([], {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}),
    ],
)
async def test_all_field_errors_are_reported_together(system: System, body: Any, errors: Any) -> None:
    answer = await system.post("/api/payments/create-checkout/", body, system.new_user())
    assert (answer.status_code, answer.json()) == (400, errors)


@pytest.mark.parametrize("wrong", [[], {}, [[]], True, 1.5, 10**400, "", "SINGLE", "\x00", None])
@pytest.mark.parametrize("name", ["payment_type", "resume_id", "success_url", "cancel_url"])
async def test_wrong_type_is_a_field_error(system: System, name: str, wrong: Any) -> None:
    requested = {"payment_type": "single", "resume_id": system.new_resume(), name: wrong}
    answer = await system.checkout(system.new_user(), **requested)
    assert (answer.status_code, list(answer.json())) == (400, [name])


@pytest.mark.parametrize("form", ["{}", "{}.", "{}.0", " {} "])
async def test_resume_id_may_be_a_string(system: System, form: str) -> None:
    resume_id = system.new_resume()
    page = await system.checkout_page(system.new_user(), payment_type="single", resume_id=form.format(resume_id))
    assert system.row("select resume_id from checkouts where url = %s", page) == {"resume_id": resume_id}


async def test_subscription_ignores_resume_id(system: System) -> None:
    assert (await system.checkout(system.new_user(), payment_type="monthly", resume_id=999999)).status_code == 200


async def test_stripe_fills_in_the_session_id_in_return_urls(system: System) -> None:
    address = f"{SUCCESS}?session={{CHECKOUT_SESSION_ID}}&next=%2Fcv"
    page = await system.checkout_page(
        system.new_user(), payment_type="single", resume_id=system.new_resume(), success_url=address
    )
    session = system.session_at(page)
    assert session.success_url == address
    assert (await system.press(page)).headers["location"] == f"{SUCCESS}?session={session.id}&next=%2Fcv"


async def test_non_ascii_return_url_is_percent_encoded(system: System) -> None:
    address = f"{SUCCESS}/reçu/日本?à={{CHECKOUT_SESSION_ID}}&b=%C3%A9#été"
    page = await system.checkout_page(
        system.new_user(), payment_type="single", resume_id=system.new_resume(), success_url=address
    )
    session = system.session_at(page)
    path = "re%C3%A7u/%E6%97%A5%E6%9C%AC"
    assert session.success_url == f"{SUCCESS}/{path}?%C3%A0={{CHECKOUT_SESSION_ID}}&b=%C3%A9#%C3%A9t%C3%A9"
    assert (await system.press(page)).status_code == 303


async def test_two_tabs_share_one_page(system: System) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    pages = await asyncio.gather(*(system.single_page(user, resume_id) for _ in range(5)))
    assert len(set(pages)) == 1
    assert await system.single_page(user, resume_id) == pages[0]


async def test_new_request_for_the_same_purchase_closes_the_first_page(system: System) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    first = await system.single_page(user, resume_id)
    second = await system.checkout_page(user, payment_type="single", resume_id=resume_id, cancel_url=SUCCESS)
    assert (system.session_at(first).status, system.session_at(second).status) == ("expired", "open")
    monthly = await system.checkout_page(user, payment_type="monthly")
    yearly = await system.checkout_page(user, payment_type="yearly")
    assert (system.session_at(monthly).status, system.session_at(yearly).status) == ("expired", "open")
    assert system.session_at(second).status == "open"


async def test_concurrent_requests_leave_one_open_page(system: System) -> None:
    """Eight tabs with different return URLs: each gets an answer, and one page stays open."""
    user, resume_id = system.new_user(), system.new_resume()
    pages = await asyncio.gather(
        *(
            system.checkout_page(user, payment_type="single", resume_id=resume_id, success_url=f"{SUCCESS}?tab={tab}")
            for tab in range(8)
        )
    )
    await eventually(
        lambda: sorted(system.session_at(page).status or "" for page in pages) == ["expired"] * 7 + ["open"]
    )
    assert system.row(OPEN_ATTEMPTS, resume_id) == {"attempts": 1}


async def test_page_that_stripe_cannot_show_is_closed_later(system: System) -> None:
    """The first page may be paid, so there is no second page until Stripe shows the first."""
    user, resume_id = system.new_user(), system.new_resume()
    first = await system.single_page(user, resume_id)
    session_id = system.session_at(first).id
    await system.control("delivery", drop=["*"])
    await system.control("fault", method="GET", path=f"/v1/checkout/sessions/{session_id}", status=400)
    refused = await system.checkout(user, payment_type="single", resume_id=resume_id, cancel_url=SUCCESS)
    assert refused.status_code == 503
    second = await system.checkout_page(user, payment_type="single", resume_id=resume_id, cancel_url=SUCCESS)
    assert (system.session_at(session_id).status, system.session_at(second).status) == ("expired", "open")


OPEN_ATTEMPTS = "select count(*) as attempts from checkouts where resume_id = %s and status in ('new', 'open')"


async def test_second_tab_waits_for_a_page_that_is_being_opened(system: System) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    await system.control("fault", path="/v1/checkout/sessions", delay_after=1.5)
    first = asyncio.create_task(system.single_page(user, resume_id))
    await eventually(lambda: system.row(OPEN_ATTEMPTS, resume_id)["attempts"] == 1)
    second = await system.checkout_page(user, payment_type="single", resume_id=resume_id, cancel_url=SUCCESS)
    assert (system.session_at(await first).status, system.session_at(second).status) == ("expired", "open")


async def test_page_abandoned_while_it_is_opened_is_closed(system: System) -> None:
    """The first request is slow, its lease expires, and another request opens a page of its own."""
    user, resume_id = system.new_user(), system.new_resume()
    await system.control("fault", path="/v1/checkout/sessions", delay_after=2)
    slow = asyncio.create_task(system.single_page(user, resume_id))
    lapsed = "update checkouts set opening_until = now() where resume_id = %s and status = 'new' returning id"
    await eventually(lambda: system.row(lapsed, resume_id))
    given_up = str(system.row("select id from checkouts where resume_id = %s", resume_id)["id"])
    other = await system.checkout_page(user, payment_type="single", resume_id=resume_id, cancel_url=SUCCESS)
    page = await slow
    found = [each for each in system.list_sessions() if each.client_reference_id == given_up]
    await eventually(lambda: [system.session_at(each.id).status for each in found] == ["expired"])
    assert [system.session_at(each).status for each in (other, page)] == ["expired", "open"]


@pytest.mark.parametrize("gone", ["account", "resume"])
async def test_page_of_a_resume_or_account_deleted_meanwhile_is_closed(system: System, gone: str) -> None:
    user_id, resume_id = system.new_id(), system.new_resume()
    await system.control("fault", path="/v1/checkout/sessions", delay_after=2)
    requested: dict[str, Any] = {"payment_type": "single", "resume_id": resume_id}
    slow = asyncio.create_task(system.checkout(system.keys.user("payments", user_id), **requested))
    await eventually(lambda: system.row(OPEN_ATTEMPTS, resume_id)["attempts"] == 1)
    later = (
        UserDeleted(user_id=user_id, revision=1)
        if gone == "account"
        else ResumeDeleted(resume_id=resume_id, revision=1)
    )
    await system.publish(later)
    assert (await slow).status_code == (401 if gone == "account" else 400)
    attempt = str(system.row("select id from checkouts where resume_id = %s", resume_id)["id"])
    [session] = [each for each in system.list_sessions() if each.client_reference_id == attempt]
    await eventually(lambda: system.session_at(session.id).status == "expired")


async def test_page_unknown_to_stripe_is_replaced(system: System) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    page = await system.single_page(user, resume_id)
    lost = "update checkouts set stripe_session_id = %s where url = %s returning id"
    system.row(lost, f"cs_test_lost_{resume_id}", page)
    other = await system.checkout_page(user, payment_type="single", resume_id=resume_id, cancel_url=SUCCESS)
    assert system.session_at(other).status == "open"
    assert system.payment_of(page)["status"] == "failed"


async def test_payment_just_before_the_page_is_closed_counts(system: System) -> None:
    """The page to close is paid, and its webhook was lost."""
    user, resume_id = system.new_user(), system.new_resume()
    page = await system.single_page(user, resume_id)
    await system.control("delivery", drop=["*"])
    await system.press(page)
    answer = await system.checkout(user, payment_type="single", resume_id=resume_id, cancel_url=SUCCESS)
    assert (answer.status_code, answer.json()) == (
        400,
        {"resume_id": [f"Resume with id {resume_id} is already paid."]},
    )
    await eventually(lambda: system.published_paid(resume_id) == [True])


async def test_second_payment_for_one_resume_is_refunded(system: System) -> None:
    resume_id = system.new_resume()
    pages = [await system.single_page(system.new_user(), resume_id) for _ in range(2)]
    await asyncio.gather(*(system.press(page) for page in pages))

    await eventually(lambda: sorted(system.refunded_amount(page) for page in pages) == [0, 499])
    assert system.published_paid(resume_id) == [True]


@pytest.mark.usefixtures("short_stripe_timeout")
@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 402}, {"status": 409}, {"status": 429}, {"delay": 2}])
async def test_stripe_error_is_503_and_a_later_request_succeeds(system: System, fault: dict[str, Any]) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    await system.control("fault", path="/v1/checkout/sessions", times=5, **fault)
    answer = await system.checkout(user, payment_type="single", resume_id=resume_id)
    assert (answer.status_code, list(answer.json())) == (503, ["detail"])
    assert int(answer.headers["Retry-After"]) > 0
    await system.control("clear-faults")
    assert system.session_at(await system.single_page_eventually(user, resume_id)).status == "open"


async def test_unopened_checkout_near_its_expiry_is_replaced(system: System) -> None:
    """Stripe rejects a session that expires too soon."""
    user, resume_id = system.new_user(), system.new_resume()
    await system.control("fault", path="/v1/checkout/sessions", times=5, status=409)
    assert (await system.checkout(user, payment_type="single", resume_id=resume_id)).status_code == 503
    await system.control("clear-faults")
    system.row(
        "update checkouts set created_at = created_at - interval '2 minutes', opening_until = null,"
        " expires_at = expires_at - interval '2 minutes', parameters = parameters"
        " || jsonb_build_object('expires_at', (parameters->>'expires_at')::int - 120)"
        " where resume_id = %s returning id",
        resume_id,
    )
    assert system.session_at(await system.single_page(user, resume_id)).status == "open"
    assert [payment["status"] for payment in await system.get("", user)] == ["pending"]


async def test_expired_page_is_not_listed(system: System) -> None:
    """An abandoned page is neither a payment nor a failure."""
    user, resume_id = system.new_user(), system.new_resume()
    page = await system.single_page(user, resume_id)
    assert [payment["status"] for payment in await system.get("", user)] == ["pending"]
    await system.control("delivery", drop=["*"])
    system.row("update checkouts set expires_at = now() where url = %s returning id", page)
    assert await system.get("", user) == []
    await system.control("delivery", drop=[])
    await system.control("expire", session=system.session_at(page).id)
    await eventually(lambda: system.payment_of(page)["status"] == "failed")
    assert await system.get("", user) == []


async def test_buyer_deleted_at_stripe_becomes_a_new_customer(system: System) -> None:
    user = system.new_user()
    bought = await system.buy(user, system.new_resume())
    assert await system.get(f"checkout/{bought.id}/", user)
    system.stripe.v1.customers.delete(str(bought.customer))
    portal = await system.post("/api/payments/portal/", {"return_url": SUCCESS}, user)
    assert (portal.status_code, portal.json()) == (404, {"detail": "Not found."})
    subscription = await system.subscribe(user)
    assert subscription.customer != bought.customer
    portal = await system.post("/api/payments/portal/", {"return_url": SUCCESS}, user)
    assert portal.status_code == 200


async def test_request_rejected_by_stripe_is_500(system: System) -> None:
    await system.control("fault", path="/v1/checkout/sessions", status=400)
    answer = await system.checkout(system.new_user(), payment_type="single", resume_id=system.new_resume())
    assert (answer.status_code, answer.json()) == (500, {"detail": "A server error occurred."})


@pytest.mark.usefixtures("short_stripe_timeout")
async def test_lost_response_of_stripe_opens_no_second_page(system: System) -> None:
    """Stripe has opened the session. The same idempotency key returns the same page."""
    user, resume_id = system.new_user(), system.new_resume()
    await system.control("fault", path="/v1/checkout/sessions", delay_after=2)
    first = await system.checkout(user, payment_type="single", resume_id=resume_id)
    assert first.status_code in (200, 503)
    page = await system.single_page_eventually(user, resume_id)
    attempt = system.session_at(page).client_reference_id
    opened = system.stripe.v1.checkout.sessions.list({"limit": 100}).data
    assert [each.url for each in opened if each.client_reference_id == attempt] == [page]
    assert system.row("select count(*) as attempts from checkouts where resume_id = %s", resume_id) == {"attempts": 1}


async def test_identity_is_required(system: System) -> None:
    for path in ("/api/payments/create-checkout/", "/api/payments/webhook/"):
        assert (await system.payments.post(path, json={})).status_code == 401
        assert (await system.post(path, {}, system.as_service("resumes"))).status_code == 404
