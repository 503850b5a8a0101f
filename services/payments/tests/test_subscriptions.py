"""A subscription's life at Stripe, as the API shows it and as the other services are told."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe
from cv_testing.serving import eventually

from services.payments.tests.shop import CANCEL, SUCCESS, Shop, event


class Subscriber:
    """An account with a subscription."""

    def __init__(self, shop: Shop, user_id: int) -> None:
        self.shop = shop
        self.user_id = user_id
        self.headers = shop.keys.user("payments", user_id)
        self.id = ""
        self.customer = ""

    async def subscribe(self, payment_type: str = "monthly") -> None:
        subscription = await self.shop.subscribe(self.headers, payment_type)
        self.id, self.customer = subscription.id, str(subscription.customer)
        await self.becomes("active")

    async def becomes(self, status: str, entitled: bool | None = None) -> None:
        """Wait until the API and the event say so."""
        expected = status in ("active", "trialing") if entitled is None else entitled

        async def is_so() -> bool:
            shown = await self.shop.mine("subscription/", self.headers)
            return bool(shown) and (shown["status"], shown["is_entitled"]) == (status, expected)

        def is_told() -> bool:
            if (told := self.told) is None:
                return False
            until = told.entitled_until
            return (told.status, until is not None and until > datetime.now(UTC)) == (status, expected)

        await eventually(is_so)
        await eventually(is_told)

    @property
    def told(self) -> Any:
        return self.shop.standing(user_id=self.user_id)

    @property
    def at_stripe(self) -> stripe.Subscription:
        return self.shop.stripe.v1.subscriptions.retrieve(self.id)

    async def shown(self) -> Any:
        return await self.shop.mine("subscription/", self.headers)

    async def payments(self) -> list[str]:
        """Statuses of the payments, newest first."""
        return [payment["status"] for payment in await self.shop.mine("", self.headers)]

    async def has_paid(self, *statuses: str) -> None:
        async def is_so() -> bool:
            return await self.payments() == list(statuses)

        await eventually(is_so)

    async def portal(self, **body: Any) -> str:
        answer = await self.shop.post("/api/payments/portal/", {"return_url": SUCCESS, **body}, self.headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["url"])

    async def press(self, button: str, **fields: str) -> None:
        """Press a button of the billing portal."""
        page = await self.portal()
        answer = await self.shop.sandbox.post(f"{page}/{button}", data={"subscription": self.id, **fields})
        assert answer.status_code in (200, 303), answer.text

    def charge(self, number: int = 0) -> str:
        """The charge of the newest payment but so many."""
        return self.shop.stripe.v1.charges.list({"customer": self.customer}).data[number].id


@pytest.fixture
async def subscriber(shop: Shop) -> Subscriber:
    it = Subscriber(shop, shop.number())
    await it.subscribe()
    return it


def month_from_now() -> tuple[datetime, datetime]:
    """The earliest and the latest end of a month that began just now."""
    now = datetime.now(UTC)
    return now + timedelta(days=27), now + timedelta(days=32)


async def test_subscribing(subscriber: Subscriber) -> None:
    told, shown = subscriber.told, await subscriber.shown()
    earliest, latest = month_from_now()
    assert earliest < told.subscription_end_date < latest
    assert told.entitled_until - told.subscription_end_date == timedelta(hours=72)
    assert (told.subscription_type, told.status) == ("monthly", "active")
    assert shown == {
        "subscription_type": "monthly",
        "status": "active",
        "subscription_end_date": told.subscription_end_date.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "is_entitled": True,
        "will_renew": True,
    }
    await subscriber.has_paid("succeeded")
    [payment] = await subscriber.shop.mine("", subscriber.headers)
    assert (payment["amount"], payment["currency"], payment["payment_type"]) == ("9.99", "EUR", "monthly")
    assert payment["receipt_url"]


async def test_yearly(shop: Shop) -> None:
    it = Subscriber(shop, shop.number())
    await it.subscribe("yearly")
    assert it.told.subscription_type == "yearly"
    assert it.told.subscription_end_date > datetime.now(UTC) + timedelta(days=364)


async def test_renewal_extends(subscriber: Subscriber) -> None:
    await subscriber.shop.control("renew", subscription=subscriber.id)
    await subscriber.has_paid("succeeded", "succeeded")
    earliest, latest = month_from_now()
    assert earliest < subscriber.told.subscription_end_date < latest
    await subscriber.becomes("active")


async def test_cancelling_lasts_until_the_end_of_the_period(subscriber: Subscriber) -> None:
    await subscriber.press("cancel")
    await eventually(lambda: subscriber.told.entitled_until == subscriber.told.subscription_end_date)
    assert (await subscriber.shown())["will_renew"] is False
    await subscriber.becomes("active")
    await subscriber.press("keep")

    async def renews() -> bool:
        return bool((await subscriber.shown())["will_renew"])

    await eventually(renews)
    await subscriber.press("cancel")
    await subscriber.shop.control("end", subscription=subscriber.id)
    await subscriber.becomes("canceled")
    assert (subscriber.told.subscription_type, subscriber.told.entitled_until) == (None, None)


async def test_cancel_at_period_end_is_the_same(subscriber: Subscriber) -> None:
    """The older shape of a scheduled cancellation."""
    subscriber.shop.stripe.v1.subscriptions.update(subscriber.id, {"cancel_at_period_end": True})
    await eventually(lambda: subscriber.told.entitled_until == subscriber.told.subscription_end_date)
    await subscriber.becomes("active")


async def test_failed_renewal_has_seven_days(subscriber: Subscriber) -> None:
    shop = subscriber.shop
    await shop.control("dunning", outcome="past_due")
    await shop.control("card", customer=subscriber.customer, card="0341")
    await shop.control("renew", subscription=subscriber.id)
    await subscriber.becomes("past_due", entitled=True)
    await subscriber.has_paid("failed", "succeeded")
    left = subscriber.told.entitled_until - datetime.now(UTC)
    assert timedelta(days=6) < left <= timedelta(days=7)
    await shop.control("shift", id=subscriber.id, days=-8)
    shop.stripe.v1.subscriptions.update(subscriber.id, {"metadata": {"looked": "at"}})
    await subscriber.becomes("past_due", entitled=False)
    await shop.control("dunning", outcome="cancel")


async def test_another_invoice_is_no_other_seven_days(subscriber: Subscriber) -> None:
    shop = subscriber.shop
    await shop.control("dunning", outcome="past_due")
    await shop.control("card", customer=subscriber.customer, card="0341")
    await shop.control("renew", subscription=subscriber.id)
    await subscriber.becomes("past_due", entitled=True)
    await subscriber.has_paid("failed", "succeeded")
    until = subscriber.told.entitled_until - timedelta(days=2)
    two_days_later = (
        "update subscriptions set past_due_since = past_due_since - interval '2 days' where id = %s returning id"
    )
    shop.row(two_days_later, subscriber.id)
    await shop.control("renew", subscription=subscriber.id)
    await shop.control("dunning", outcome="cancel")
    await subscriber.has_paid("failed", "failed", "succeeded")
    assert subscriber.at_stripe.status == "past_due"
    await eventually(lambda: subscriber.told.entitled_until == until)


async def test_failed_renewal_is_mended_in_the_portal(subscriber: Subscriber) -> None:
    shop = subscriber.shop
    await shop.control("card", customer=subscriber.customer, card="0341")
    await shop.control("renew", subscription=subscriber.id)
    await subscriber.becomes("past_due", entitled=True)
    answer = await shop.checkout(subscriber.headers, payment_type="yearly")
    assert answer.status_code == 200
    assert "/p/session/" in answer.json()["url"]
    await subscriber.press("card", card="4242")
    [invoice] = shop.stripe.v1.invoices.list({"subscription": subscriber.id, "status": "open"}).data
    await subscriber.press("pay", invoice=str(invoice.id))
    await subscriber.becomes("active")
    await subscriber.has_paid("succeeded", "succeeded")


@pytest.mark.parametrize(("dunning", "status"), [("cancel", "canceled"), ("unpaid", "past_due")])
async def test_dunning_that_fails_ends_access(subscriber: Subscriber, dunning: str, status: str) -> None:
    shop = subscriber.shop
    await shop.control("dunning", outcome=dunning)
    await shop.control("card", customer=subscriber.customer, card="0341")
    await shop.control("renew", subscription=subscriber.id)
    await subscriber.becomes("past_due", entitled=True)
    for _ in range(8):
        if subscriber.at_stripe.status != "past_due":
            break
        await shop.control("retry", subscription=subscriber.id)
    await shop.control("dunning", outcome="cancel")
    await subscriber.becomes(status, entitled=False)


async def test_pausing_stops_access(subscriber: Subscriber) -> None:
    pause: Any = {"type": "subscription"}
    subscriber.shop.stripe.v1.subscriptions.pause(subscriber.id, pause)
    await subscriber.becomes("incomplete", entitled=False)


async def test_live_subscription_leads_to_the_portal(subscriber: Subscriber) -> None:
    shop = subscriber.shop
    same = await shop.page(subscriber.headers, payment_type="monthly")
    other = await shop.page(subscriber.headers, payment_type="yearly")
    assert "/p/session/" in same
    assert "/p/session/" in other
    shown = await shop.sandbox.get(other)
    assert "99.99" in shown.text
    single = await shop.single(subscriber.headers, shop.resume())
    assert "/c/pay/" in single


@pytest.mark.parametrize("deleted", ["subscription", "customer"])
async def test_who_wants_another_plan_before_the_end_of_the_first_is_known_gets_a_checkout(
    subscriber: Subscriber, deleted: str
) -> None:
    """Stripe refuses the portal's step; the webhook that would say why is late, or lost."""
    shop = subscriber.shop
    await eventually(shop.has_heard_all)
    await shop.control("delivery", drop=["*"])
    if deleted == "subscription":
        shop.stripe.v1.subscriptions.cancel(subscriber.id)
    else:
        shop.stripe.v1.customers.delete(subscriber.customer)
    page = await shop.page(subscriber.headers, payment_type="yearly")
    assert "/c/pay/" in page
    await subscriber.becomes("canceled")
    await shop.control("delivery", drop=[])
    await shop.press(page)
    await subscriber.becomes("active")
    assert subscriber.told.subscription_type == "yearly"


async def test_changing_plan_in_the_portal(subscriber: Subscriber) -> None:
    shop = subscriber.shop
    [yearly] = shop.stripe.v1.prices.list({"lookup_keys": ["cv_yearly"], "active": True}).data
    await subscriber.press("switch", price=yearly.id)
    await eventually(lambda: subscriber.told.subscription_type == "yearly")
    await subscriber.becomes("active")
    assert subscriber.told.subscription_end_date > datetime.now(UTC) + timedelta(days=360)
    await subscriber.has_paid("succeeded", "succeeded")
    newest = (await shop.mine("", subscriber.headers))[0]
    assert newest["payment_type"] == "yearly"


async def test_subscribing_again_is_the_same_customer(subscriber: Subscriber) -> None:
    first, customer = subscriber.id, subscriber.customer
    subscriber.shop.stripe.v1.subscriptions.cancel(subscriber.id)
    await subscriber.becomes("canceled")
    await subscriber.subscribe("yearly")
    assert subscriber.id != first
    assert subscriber.customer == customer
    assert subscriber.told.subscription_type == "yearly"


async def test_full_refund_ends_the_subscription(subscriber: Subscriber) -> None:
    await subscriber.has_paid("succeeded")
    await subscriber.shop.control("refund", charge=subscriber.charge())
    await subscriber.becomes("canceled")
    await subscriber.has_paid("refunded")
    assert subscriber.at_stripe.status == "canceled"


async def test_refund_of_an_earlier_month_ends_nothing(shop: Shop) -> None:
    """Not even when that month's invoice was the last to be heard of."""
    it = Subscriber(shop, shop.number())
    await it.subscribe()
    await it.has_paid("succeeded")
    await shop.control("delivery", drop=["*"])
    await shop.control("renew", subscription=it.id)
    paid = shop.row("delete from payments where subscription_id = %s returning stripe_invoice_id", it.id)
    renewed, first = shop.stripe.v1.invoices.list({"subscription": it.id}).data
    assert first.id == paid["stripe_invoice_id"]
    for invoice in (renewed, first):
        await shop.deliver(event("invoice.paid", invoice.id))
    await it.has_paid("succeeded", "succeeded")
    await shop.control("refund", charge=it.charge(1))
    await shop.deliver(event("charge.refunded", it.charge(1)))
    await it.has_paid("succeeded", "refunded")
    assert shop.row("select key from stripe_calls where object_id = %s", it.id) == {}


async def test_partial_refund_changes_nothing_but_the_amount(subscriber: Subscriber) -> None:
    await subscriber.has_paid("succeeded")
    await subscriber.shop.control("refund", charge=subscriber.charge(), amount=500)

    async def is_so() -> bool:
        [payment] = await subscriber.shop.mine("", subscriber.headers)
        return (payment["status"], payment["amount_refunded"]) == ("succeeded", "5.00")

    await eventually(is_so)
    await subscriber.becomes("active")


@pytest.mark.parametrize("end", ["won", "lost"])
async def test_disputed_payment_suspends(subscriber: Subscriber, end: str) -> None:
    shop = subscriber.shop
    await subscriber.has_paid("succeeded")
    dispute = await shop.control("dispute", charge=subscriber.charge())
    await subscriber.becomes("active", entitled=False)
    [payment] = await shop.mine("", subscriber.headers)
    assert payment["is_disputed"] is True
    await shop.control("move-dispute", dispute=dispute["id"], status=end)
    if end == "won":
        await subscriber.becomes("active", entitled=True)
    else:
        await subscriber.becomes("canceled")
        await subscriber.has_paid("refunded")
    [payment] = await shop.mine("", subscriber.headers)
    assert "is_disputed" not in payment


async def test_second_subscription_is_ended_and_given_back(shop: Shop) -> None:
    """Bought anonymously, by somebody who turns out to have one already."""
    old = Subscriber(shop, shop.number())
    await old.subscribe("yearly")
    session_id = secrets.token_urlsafe(24)
    newer = await shop.subscribe(shop.session(session_id))
    await eventually(lambda: shop.standing(session_id=session_id) is not None)
    claimed = await shop.post(f"/internal/sessions/{session_id}/claim/", {"user_id": old.user_id}, shop.service("auth"))
    assert claimed.status_code == 204
    await eventually(lambda: shop.stripe.v1.subscriptions.retrieve(newer.id).status == "canceled")
    [charge] = shop.stripe.v1.charges.list({"customer": str(newer.customer)}).data

    await eventually(lambda: shop.stripe.v1.charges.retrieve(charge.id).refunded)
    await old.becomes("active")
    assert old.told.subscription_type == "yearly"
    await old.has_paid("refunded", "succeeded")
    left = shop.standing(session_id=session_id)
    assert left is not None
    assert (left.status, left.entitled_until) == ("canceled", None)


async def test_anonymous_subscription_follows_the_session(shop: Shop) -> None:
    page_answer = await shop.checkout(shop.stranger(), payment_type="monthly")
    session_id = page_answer.headers["X-Session-Start"]
    await shop.press(page_answer.json()["url"])
    await eventually(lambda: shop.standing(session_id=session_id) is not None)
    assert await shop.status(shop.session(session_id)) == "active"
    user_id = shop.number()
    await shop.post(f"/internal/sessions/{session_id}/claim/", {"user_id": user_id}, shop.service("auth"))
    assert await shop.status(shop.keys.user("payments", user_id)) == "active"
    assert await shop.status(shop.session(session_id)) is None
    await eventually(lambda: (told := shop.standing(user_id=user_id)) is not None and told.status == "active")
    await eventually(lambda: (told := shop.standing(session_id=session_id)) is not None and told.status == "canceled")


async def test_two_subscriptions_paid_in_two_tabs_at_once(shop: Shop) -> None:
    """The first page was left open while the second was asked for under a session, and both are paid."""
    user_id, session_id = shop.number(), secrets.token_urlsafe(24)
    pages = [
        await shop.page(shop.keys.user("payments", user_id), payment_type="monthly"),
        await shop.page(shop.session(session_id), payment_type="yearly"),
    ]
    await shop.post(f"/internal/sessions/{session_id}/claim/", {"user_id": user_id}, shop.service("auth"))
    await asyncio.gather(*(shop.press(page) for page in pages))

    def living() -> list[str]:
        sessions = [shop.session_at(page) for page in pages]
        statuses = [each.subscription.status for each in sessions if isinstance(each.subscription, stripe.Subscription)]
        return sorted(statuses)

    await eventually(lambda: living() == ["active", "canceled"])


async def test_portal_is_for_customers(shop: Shop, subscriber: Subscriber) -> None:
    shown = await shop.sandbox.get(await subscriber.portal())
    assert shown.status_code == 200
    stranger = await shop.post("/api/payments/portal/", {"return_url": SUCCESS}, shop.user())
    assert (stranger.status_code, stranger.json()) == (404, {"detail": "Not found."})
    for body, errors in (
        ({}, {"return_url": ["This field is required."]}),
        ({"return_url": "x"}, {"return_url": ["Enter a valid URL."]}),
        (
            {"return_url": "https://evil.example/"},
            {"return_url": ["This address is not one that buyers may return to."]},
        ),
    ):
        refused = await shop.post("/api/payments/portal/", body, subscriber.headers)
        assert (refused.status_code, refused.json()) == (400, errors)


@pytest.mark.parametrize(
    ("fault", "status", "detail"),
    [
        ({"status": 500, "times": 5}, 503, "The payment service is not available, try again later."),
        ({"status": 429}, 503, "The payment service is not available, try again later."),
        ({"delay": 20}, 503, "The payment service is not available, try again later."),
        ({"status": 400}, 500, "A server error occurred."),
    ],
)
async def test_portal_while_stripe_is_in_trouble(
    subscriber: Subscriber, fault: dict[str, Any], status: int, detail: str
) -> None:
    shop = subscriber.shop
    for path, body in (
        ("portal/", {"return_url": SUCCESS}),
        ("create-checkout/", {"payment_type": "yearly", "success_url": SUCCESS, "cancel_url": CANCEL}),
    ):
        await shop.control("fault", path="/v1/billing_portal/sessions", **fault)
        answer = await shop.post(f"/api/payments/{path}", body, subscriber.headers)
        await shop.control("clear-faults")
        assert (answer.status_code, answer.json()) == (status, {"detail": detail})
        assert ("Retry-After" in answer.headers) is (status == 503)


async def test_what_is_mine(shop: Shop) -> None:
    user, resume_id = shop.user(), shop.resume()
    assert await shop.mine("", user) == []
    assert await shop.mine("", shop.stranger()) == []
    assert await shop.mine("subscription/", user) is None
    page = await shop.page(
        user, payment_type="single", resume_id=resume_id, success_url=f"{SUCCESS}?id={{CHECKOUT_SESSION_ID}}"
    )
    checkout_id = shop.session_at(page).id
    shown = {"id": checkout_id, "payment_type": "single", "resume_id": resume_id, "status": "pending"}
    assert await shop.mine(f"checkout/{checkout_id}/", user) == shown
    assert await shop.mine(f"checkout/{checkout_id}/", shop.user()) is None
    assert await shop.mine("checkout/cs_of_nobody/", user) is None
    await shop.press(page)
    assert await shop.mine(f"checkout/{checkout_id}/", user) == {**shown, "status": "succeeded"}
    [payment] = await shop.mine("", user)
    told = [payment[name] for name in ("payment_type", "resume_id", "status", "amount", "amount_refunded")]
    assert told == ["single", resume_id, "succeeded", "4.99", "0.00"]
    assert (await shop.sandbox.get(payment["receipt_url"])).status_code == 200
    assert await shop.mine("", shop.user()) == []


async def test_checkout_of_a_subscription_arrives(shop: Shop) -> None:
    user = shop.user()
    page = await shop.page(user, payment_type="monthly", cancel_url=CANCEL)
    checkout_id = shop.session_at(page).id
    assert (await shop.mine(f"checkout/{checkout_id}/", user))["status"] == "pending"
    await shop.press(page)

    async def arrived() -> bool:
        return bool((await shop.mine(f"checkout/{checkout_id}/", user))["status"] == "succeeded")

    await eventually(arrived)
