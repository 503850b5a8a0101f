"""The life of a subscription, in the API and in the published events."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe
from cv_testing.serving import eventually

from services.payments.tests.system import CANCEL, SUCCESS, System, event


class Subscriber:
    """An account with a subscription."""

    def __init__(self, system: System, user_id: int) -> None:
        self.system = system
        self.user_id = user_id
        self.headers = system.keys.user("payments", user_id)
        self.id = ""
        self.customer = ""

    async def subscribe(self, payment_type: str = "monthly") -> None:
        subscription = await self.system.subscribe(self.headers, payment_type)
        self.id, self.customer = subscription.id, str(subscription.customer)
        await self.becomes("active")

    async def becomes(self, status: str, entitled: bool | None = None) -> None:
        """Wait until the API and the published event have this status."""
        expected = status in ("active", "trialing") if entitled is None else entitled

        async def is_so() -> bool:
            shown = await self.system.get("subscription/", self.headers)
            return bool(shown) and (shown["status"], shown["is_entitled"]) == (status, expected)

        def is_told() -> bool:
            if (published := self.published) is None:
                return False
            until = published.entitled_until
            return (published.status, until is not None and until > datetime.now(UTC)) == (status, expected)

        await eventually(is_so)
        await eventually(is_told)

    @property
    def published(self) -> Any:
        return self.system.summary(user_id=self.user_id)

    @property
    def at_stripe(self) -> stripe.Subscription:
        return self.system.stripe.v1.subscriptions.retrieve(self.id)

    async def shown(self) -> Any:
        return await self.system.get("subscription/", self.headers)

    async def payments(self) -> list[str]:
        """Return the statuses of the payments, newest first."""
        return [payment["status"] for payment in await self.system.get("", self.headers)]

    async def has_paid(self, *statuses: str) -> None:
        async def is_so() -> bool:
            return await self.payments() == list(statuses)

        await eventually(is_so)

    async def portal(self, **body: Any) -> str:
        answer = await self.system.post("/api/payments/portal/", {"return_url": SUCCESS, **body}, self.headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["url"])

    async def press(self, button: str, **fields: str) -> None:
        """Press a button of the billing portal."""
        page = await self.portal()
        answer = await self.system.sandbox.post(f"{page}/{button}", data={"subscription": self.id, **fields})
        assert answer.status_code in (200, 303), answer.text

    def charge(self, number: int = 0) -> str:
        """Return the charge of a payment; 0 is the newest."""
        return self.system.stripe.v1.charges.list({"customer": self.customer}).data[number].id


@pytest.fixture
async def subscriber(system: System) -> Subscriber:
    it = Subscriber(system, system.new_id())
    await it.subscribe()
    return it


def month_from_now() -> tuple[datetime, datetime]:
    """Return the earliest and the latest end of a month that starts now."""
    now = datetime.now(UTC)
    return now + timedelta(days=27), now + timedelta(days=32)


async def test_new_subscription(subscriber: Subscriber) -> None:
    published, shown = subscriber.published, await subscriber.shown()
    earliest, latest = month_from_now()
    assert earliest < published.subscription_end_date < latest
    assert published.entitled_until - published.subscription_end_date == timedelta(hours=72)
    assert (published.subscription_type, published.status) == ("monthly", "active")
    assert shown == {
        "subscription_type": "monthly",
        "status": "active",
        "subscription_end_date": published.subscription_end_date.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "is_entitled": True,
        "will_renew": True,
    }
    await subscriber.has_paid("succeeded")
    [payment] = await subscriber.system.get("", subscriber.headers)
    assert (payment["amount"], payment["currency"], payment["payment_type"]) == ("9.99", "EUR", "monthly")
    assert payment["receipt_url"]


async def test_new_yearly_subscription(system: System) -> None:
    it = Subscriber(system, system.new_id())
    await it.subscribe("yearly")
    assert it.published.subscription_type == "yearly"
    assert it.published.subscription_end_date > datetime.now(UTC) + timedelta(days=364)


async def test_renewal_extends(subscriber: Subscriber) -> None:
    await subscriber.system.control("renew", subscription=subscriber.id)
    await subscriber.has_paid("succeeded", "succeeded")
    earliest, latest = month_from_now()
    assert earliest < subscriber.published.subscription_end_date < latest
    await subscriber.becomes("active")


async def test_canceled_subscription_gives_access_until_the_end_of_the_period(subscriber: Subscriber) -> None:
    await subscriber.press("cancel")
    await eventually(lambda: subscriber.published.entitled_until == subscriber.published.subscription_end_date)
    assert (await subscriber.shown())["will_renew"] is False
    await subscriber.becomes("active")
    await subscriber.press("keep")

    async def renews() -> bool:
        return bool((await subscriber.shown())["will_renew"])

    await eventually(renews)
    await subscriber.press("cancel")
    await subscriber.system.control("end", subscription=subscriber.id)
    await subscriber.becomes("canceled")
    assert (subscriber.published.subscription_type, subscriber.published.entitled_until) == (None, None)


async def test_cancel_at_period_end_gives_access_until_then(subscriber: Subscriber) -> None:
    """The older form of a scheduled cancellation."""
    subscriber.system.stripe.v1.subscriptions.update(subscriber.id, {"cancel_at_period_end": True})
    await eventually(lambda: subscriber.published.entitled_until == subscriber.published.subscription_end_date)
    await subscriber.becomes("active")


async def test_failed_renewal_has_a_grace_period_of_seven_days(subscriber: Subscriber) -> None:
    system = subscriber.system
    await system.control("dunning", outcome="past_due")
    await system.control("card", customer=subscriber.customer, card="0341")
    await system.control("renew", subscription=subscriber.id)
    await subscriber.becomes("past_due", entitled=True)
    await subscriber.has_paid("failed", "succeeded")
    left = subscriber.published.entitled_until - datetime.now(UTC)
    assert timedelta(days=6) < left <= timedelta(days=7)
    await system.control("shift", id=subscriber.id, days=-8)
    system.stripe.v1.subscriptions.update(subscriber.id, {"metadata": {"looked": "at"}})
    await subscriber.becomes("past_due", entitled=False)
    await system.control("dunning", outcome="cancel")


async def test_second_unpaid_invoice_does_not_restart_the_grace_period(subscriber: Subscriber) -> None:
    system = subscriber.system
    await system.control("dunning", outcome="past_due")
    await system.control("card", customer=subscriber.customer, card="0341")
    await system.control("renew", subscription=subscriber.id)
    await subscriber.becomes("past_due", entitled=True)
    await subscriber.has_paid("failed", "succeeded")
    until = subscriber.published.entitled_until - timedelta(days=2)
    two_days_later = (
        "update subscriptions set past_due_since = past_due_since - interval '2 days' where id = %s returning id"
    )
    system.row(two_days_later, subscriber.id)
    await system.control("renew", subscription=subscriber.id)
    await system.control("dunning", outcome="cancel")
    await subscriber.has_paid("failed", "failed", "succeeded")
    assert subscriber.at_stripe.status == "past_due"
    await eventually(lambda: subscriber.published.entitled_until == until)


async def test_failed_renewal_can_be_paid_in_the_portal(subscriber: Subscriber) -> None:
    system = subscriber.system
    await system.control("card", customer=subscriber.customer, card="0341")
    await system.control("renew", subscription=subscriber.id)
    await subscriber.becomes("past_due", entitled=True)
    answer = await system.checkout(subscriber.headers, payment_type="yearly")
    assert answer.status_code == 200
    assert "/p/session/" in answer.json()["url"]
    await subscriber.press("card", card="4242")
    [invoice] = system.stripe.v1.invoices.list({"subscription": subscriber.id, "status": "open"}).data
    await subscriber.press("pay", invoice=str(invoice.id))
    await subscriber.becomes("active")
    await subscriber.has_paid("succeeded", "succeeded")


@pytest.mark.parametrize(("dunning", "status"), [("cancel", "canceled"), ("unpaid", "past_due")])
async def test_failed_dunning_ends_access(subscriber: Subscriber, dunning: str, status: str) -> None:
    system = subscriber.system
    await system.control("dunning", outcome=dunning)
    await system.control("card", customer=subscriber.customer, card="0341")
    await system.control("renew", subscription=subscriber.id)
    await subscriber.becomes("past_due", entitled=True)
    for _ in range(8):
        if subscriber.at_stripe.status != "past_due":
            break
        await system.control("retry", subscription=subscriber.id)
    await system.control("dunning", outcome="cancel")
    await subscriber.becomes(status, entitled=False)


async def test_pausing_stops_access(subscriber: Subscriber) -> None:
    pause: Any = {"type": "subscription"}
    subscriber.system.stripe.v1.subscriptions.pause(subscriber.id, pause)
    await subscriber.becomes("incomplete", entitled=False)


async def test_live_subscription_leads_to_the_portal(subscriber: Subscriber) -> None:
    system = subscriber.system
    same = await system.checkout_page(subscriber.headers, payment_type="monthly")
    other = await system.checkout_page(subscriber.headers, payment_type="yearly")
    assert "/p/session/" in same
    assert "/p/session/" in other
    shown = await system.sandbox.get(other)
    assert "99.99" in shown.text
    single = await system.single_page(subscriber.headers, system.new_resume())
    assert "/c/pay/" in single


@pytest.mark.parametrize("deleted", ["subscription", "customer"])
async def test_subscriber_whose_subscription_ended_unnoticed_gets_a_checkout(
    subscriber: Subscriber, deleted: str
) -> None:
    """Stripe rejects the portal's page, and the webhook with the reason is lost."""
    system = subscriber.system
    await eventually(system.all_webhooks_processed)
    await system.control("delivery", drop=["*"])
    if deleted == "subscription":
        system.stripe.v1.subscriptions.cancel(subscriber.id)
    else:
        system.stripe.v1.customers.delete(subscriber.customer)
    page = await system.checkout_page(subscriber.headers, payment_type="yearly")
    assert "/c/pay/" in page
    await subscriber.becomes("canceled")
    await system.control("delivery", drop=[])
    await system.press(page)
    await subscriber.becomes("active")
    assert subscriber.published.subscription_type == "yearly"


async def test_changing_plan_in_the_portal(subscriber: Subscriber) -> None:
    system = subscriber.system
    [yearly] = system.stripe.v1.prices.list({"lookup_keys": ["cv_yearly"], "active": True}).data
    await subscriber.press("switch", price=yearly.id)
    await eventually(lambda: subscriber.published.subscription_type == "yearly")
    await subscriber.becomes("active")
    assert subscriber.published.subscription_end_date > datetime.now(UTC) + timedelta(days=360)
    await subscriber.has_paid("succeeded", "succeeded")
    newest = (await system.get("", subscriber.headers))[0]
    assert newest["payment_type"] == "yearly"


async def test_second_subscription_uses_the_same_customer(subscriber: Subscriber) -> None:
    first, customer = subscriber.id, subscriber.customer
    subscriber.system.stripe.v1.subscriptions.cancel(subscriber.id)
    await subscriber.becomes("canceled")
    await subscriber.subscribe("yearly")
    assert subscriber.id != first
    assert subscriber.customer == customer
    assert subscriber.published.subscription_type == "yearly"


async def test_full_refund_ends_the_subscription(subscriber: Subscriber) -> None:
    await subscriber.has_paid("succeeded")
    await subscriber.system.control("refund", charge=subscriber.charge())
    await subscriber.becomes("canceled")
    await subscriber.has_paid("refunded")
    assert subscriber.at_stripe.status == "canceled"


async def test_refund_of_an_earlier_invoice_does_not_end_the_subscription(system: System) -> None:
    """Also when the event of the earlier invoice comes last."""
    it = Subscriber(system, system.new_id())
    await it.subscribe()
    await it.has_paid("succeeded")
    await system.control("delivery", drop=["*"])
    await system.control("renew", subscription=it.id)
    paid = system.row("delete from payments where subscription_id = %s returning stripe_invoice_id", it.id)
    renewed, first = system.stripe.v1.invoices.list({"subscription": it.id}).data
    assert first.id == paid["stripe_invoice_id"]
    for invoice in (renewed, first):
        await system.deliver(event("invoice.paid", invoice.id))
    await it.has_paid("succeeded", "succeeded")
    await system.control("refund", charge=it.charge(1))
    await system.deliver(event("charge.refunded", it.charge(1)))
    await it.has_paid("succeeded", "refunded")
    assert system.row("select key from stripe_calls where object_id = %s", it.id) == {}


async def test_partial_refund_changes_only_the_amount(subscriber: Subscriber) -> None:
    await subscriber.has_paid("succeeded")
    await subscriber.system.control("refund", charge=subscriber.charge(), amount=500)

    async def is_so() -> bool:
        [payment] = await subscriber.system.get("", subscriber.headers)
        return (payment["status"], payment["amount_refunded"]) == ("succeeded", "5.00")

    await eventually(is_so)
    await subscriber.becomes("active")


@pytest.mark.parametrize("end", ["won", "lost"])
async def test_disputed_payment_suspends_access(subscriber: Subscriber, end: str) -> None:
    system = subscriber.system
    await subscriber.has_paid("succeeded")
    dispute = await system.control("dispute", charge=subscriber.charge())
    await subscriber.becomes("active", entitled=False)
    [payment] = await system.get("", subscriber.headers)
    assert payment["is_disputed"] is True
    await system.control("move-dispute", dispute=dispute["id"], status=end)
    if end == "won":
        await subscriber.becomes("active", entitled=True)
    else:
        await subscriber.becomes("canceled")
        await subscriber.has_paid("refunded")
    [payment] = await system.get("", subscriber.headers)
    assert "is_disputed" not in payment


async def test_second_subscription_is_canceled_and_refunded(system: System) -> None:
    """An anonymous buyer logs in to an account with a subscription."""
    old = Subscriber(system, system.new_id())
    await old.subscribe("yearly")
    session_id = secrets.token_urlsafe(24)
    newer = await system.subscribe(system.as_session(session_id))
    await eventually(lambda: system.summary(session_id=session_id) is not None)
    await system.claim(session_id, old.user_id)
    await eventually(lambda: system.stripe.v1.subscriptions.retrieve(newer.id).status == "canceled")
    [charge] = system.stripe.v1.charges.list({"customer": str(newer.customer)}).data

    await eventually(lambda: system.stripe.v1.charges.retrieve(charge.id).refunded)
    await old.becomes("active")
    assert old.published.subscription_type == "yearly"
    await old.has_paid("refunded", "succeeded")
    left = system.summary(session_id=session_id)
    assert left is not None
    assert (left.status, left.entitled_until) == ("canceled", None)


async def test_anonymous_subscription_follows_the_session(system: System) -> None:
    page_answer = await system.checkout(system.as_stranger(), payment_type="monthly")
    session_id = page_answer.headers["X-Session-Start"]
    await system.press(page_answer.json()["url"])
    await eventually(lambda: system.summary(session_id=session_id) is not None)
    assert await system.subscription_status(system.as_session(session_id)) == "active"
    user_id = system.new_id()
    await system.claim(session_id, user_id)
    assert await system.subscription_status(system.keys.user("payments", user_id)) == "active"
    assert await system.subscription_status(system.as_session(session_id)) is None
    await eventually(lambda: (summary := system.summary(user_id=user_id)) is not None and summary.status == "active")
    await eventually(
        lambda: (summary := system.summary(session_id=session_id)) is not None and summary.status == "canceled"
    )


async def test_of_two_subscriptions_paid_at_once_one_is_canceled(system: System) -> None:
    """An account and its session each have an open page, and both are paid."""
    user_id, session_id = system.new_id(), secrets.token_urlsafe(24)
    pages = [
        await system.checkout_page(system.keys.user("payments", user_id), payment_type="monthly"),
        await system.checkout_page(system.as_session(session_id), payment_type="yearly"),
    ]
    await system.claim(session_id, user_id)
    await asyncio.gather(*(system.press(page) for page in pages))

    def living() -> list[str]:
        sessions = [system.session_at(page) for page in pages]
        statuses = [each.subscription.status for each in sessions if isinstance(each.subscription, stripe.Subscription)]
        return sorted(statuses)

    await eventually(lambda: living() == ["active", "canceled"])


async def test_portal_is_for_customers(system: System, subscriber: Subscriber) -> None:
    shown = await system.sandbox.get(await subscriber.portal())
    assert shown.status_code == 200
    stranger = await system.post("/api/payments/portal/", {"return_url": SUCCESS}, system.new_user())
    assert (stranger.status_code, stranger.json()) == (404, {"detail": "Not found."})
    for body, errors in (
        ({}, {"return_url": ["This field is required."]}),
        ({"return_url": "x"}, {"return_url": ["Enter a valid URL."]}),
        (
            {"return_url": "https://evil.example/"},
            {"return_url": ["This address is not one that buyers may return to."]},
        ),
    ):
        refused = await system.post("/api/payments/portal/", body, subscriber.headers)
        assert (refused.status_code, refused.json()) == (400, errors)


@pytest.mark.usefixtures("short_stripe_timeout")
@pytest.mark.parametrize(
    ("fault", "status", "detail"),
    [
        ({"status": 500, "times": 5}, 503, "The payment service is not available, try again later."),
        ({"status": 429}, 503, "The payment service is not available, try again later."),
        ({"delay": 2}, 503, "The payment service is not available, try again later."),
        ({"status": 400}, 500, "A server error occurred."),
    ],
)
async def test_portal_during_a_stripe_error(
    subscriber: Subscriber, fault: dict[str, Any], status: int, detail: str
) -> None:
    system = subscriber.system
    for path, body in (
        ("portal/", {"return_url": SUCCESS}),
        ("create-checkout/", {"payment_type": "yearly", "success_url": SUCCESS, "cancel_url": CANCEL}),
    ):
        await system.control("fault", path="/v1/billing_portal/sessions", **fault)
        answer = await system.post(f"/api/payments/{path}", body, subscriber.headers)
        await system.control("clear-faults")
        assert (answer.status_code, answer.json()) == (status, {"detail": detail})
        assert ("Retry-After" in answer.headers) is (status == 503)


async def test_callers_see_only_their_own_purchases(system: System) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    assert await system.get("", user) == []
    assert await system.get("", system.as_stranger()) == []
    assert await system.get("subscription/", user) is None
    page = await system.checkout_page(
        user, payment_type="single", resume_id=resume_id, success_url=f"{SUCCESS}?id={{CHECKOUT_SESSION_ID}}"
    )
    checkout_id = system.session_at(page).id
    shown = {"id": checkout_id, "payment_type": "single", "resume_id": resume_id, "status": "pending"}
    assert await system.get(f"checkout/{checkout_id}/", user) == shown
    assert await system.get(f"checkout/{checkout_id}/", system.new_user()) is None
    assert await system.get("checkout/cs_of_nobody/", user) is None
    await system.press(page)
    assert await system.get(f"checkout/{checkout_id}/", user) == {**shown, "status": "succeeded"}
    [payment] = await system.get("", user)
    values = [payment[name] for name in ("payment_type", "resume_id", "status", "amount", "amount_refunded")]
    assert values == ["single", resume_id, "succeeded", "4.99", "0.00"]
    assert (await system.sandbox.get(payment["receipt_url"])).status_code == 200
    assert await system.get("", system.new_user()) == []


async def test_checkout_of_a_subscription_succeeds(system: System) -> None:
    user = system.new_user()
    page = await system.checkout_page(user, payment_type="monthly", cancel_url=CANCEL)
    checkout_id = system.session_at(page).id
    assert (await system.get(f"checkout/{checkout_id}/", user))["status"] == "pending"
    await system.press(page)

    async def arrived() -> bool:
        return bool((await system.get(f"checkout/{checkout_id}/", user))["status"] == "succeeded")

    await eventually(arrived)
