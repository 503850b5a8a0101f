"""The rules of the domain, case by case."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cv_payments.domain.checkouts import Checkout, CheckoutRequest, new_checkout
from cv_payments.domain.errors import Quarantined
from cv_payments.domain.mismatches import invoice_mismatch, session_mismatch, subscription_mismatch
from cv_payments.domain.payments import (
    Payment,
    PaymentOutcome,
    RefundReason,
    invoice_outcome,
    payment_status,
    session_outcome,
    settle_resume,
)
from cv_payments.domain.portal import portal_flow
from cv_payments.domain.return_urls import is_allowed
from cv_payments.domain.stripe_objects import StripeInvoice, StripeInvoiceLine, StripeSession, StripeSubscription
from cv_payments.domain.subscriptions import (
    GracePeriods,
    Subscription,
    SubscriptionSummary,
    api_status,
    find_duplicates,
    summarize,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GRACE = GracePeriods(timedelta(hours=72), timedelta(days=7))
PERIOD_END = NOW + timedelta(days=30)

SUBSCRIPTION = Subscription(
    id="sub_1",
    owner_id=1,
    checkout_id=None,
    customer_id="cus_1",
    item_id="si_1",
    price_id="price_monthly",
    subscription_type="monthly",
    stripe_status="active",
    current_period_end=PERIOD_END,
    cancel_at=None,
    ended_at=None,
    past_due_since=None,
    is_duplicate=False,
    created_at=NOW,
    known_since=NOW,
    updated_at=NOW,
)
PAYMENT = Payment(
    id=1,
    owner_id=1,
    checkout_id=uuid4(),
    subscription_id=None,
    payment_type="single",
    resume_id=1,
    stripe_invoice_id=None,
    stripe_payment_intent_id="pi_1",
    amount=499,
    currency="eur",
    outcome="succeeded",
    amount_refunded=0,
    dispute_status=None,
    status="succeeded",
    refund_reason=None,
    grants=False,
    receipt_url=None,
    created_at=NOW,
    updated_at=NOW,
)
SESSION = StripeSession(
    id="cs_1",
    checkout_id=None,
    mode="payment",
    status="complete",
    is_paid=True,
    has_failed=False,
    amount_subtotal=499,
    amount_total=499,
    currency="eur",
    livemode=False,
    price_ids=("price_single",),
    customer_id=None,
    payment_intent_id="pi_1",
    charge_id=None,
    subscription_id=None,
    invoice_id=None,
    url=None,
)
INVOICE = StripeInvoice(
    id="in_1",
    subscription_id="sub_1",
    status="paid",
    attempt_count=1,
    amount=999,
    currency="eur",
    livemode=False,
    lines=(StripeInvoiceLine("price_monthly", 999, is_proration=False),),
    payment_intent_id="pi_1",
    hosted_invoice_url=None,
    is_first=True,
    created=NOW,
)
AT_STRIPE = StripeSubscription(
    id="sub_1",
    checkout_id=None,
    customer_id="cus_1",
    status="active",
    livemode=False,
    currency="eur",
    item_count=1,
    item_id="si_1",
    price_id="price_monthly",
    quantity=1,
    current_period_end=PERIOD_END,
    cancel_at=None,
    ended_at=None,
    latest_invoice=INVOICE,
    created=NOW,
)
REQUEST = CheckoutRequest("single", 1, "http://localhost:3000/yes", "http://localhost:3000/no", "price_single")


def subscription(**changes: Any) -> Subscription:
    return replace(SUBSCRIPTION, **changes)


@pytest.mark.parametrize(
    ("stripe_status", "status", "entitled"),
    [
        ("trialing", "trialing", PERIOD_END + timedelta(hours=72)),
        ("active", "active", PERIOD_END + timedelta(hours=72)),
        ("past_due", "past_due", NOW + timedelta(days=7)),
        ("unpaid", "past_due", None),
        ("incomplete", "incomplete", None),
        ("paused", "incomplete", None),
        ("incomplete_expired", "canceled", None),
        ("canceled", "canceled", None),
    ],
)
def test_status_and_entitlement_for_each_stripe_status(
    stripe_status: str, status: str, entitled: datetime | None
) -> None:
    found = subscription(stripe_status=stripe_status, past_due_since=NOW)
    assert (found.status, found.entitled_until(GRACE)) == (status, entitled)
    assert summarize([found], GRACE).status == status
    assert summarize([found], GRACE).entitled_until == entitled


def test_unknown_subscription_status_is_quarantined() -> None:
    with pytest.raises(Quarantined):
        api_status("hibernating")


@pytest.mark.parametrize("cancel_at", [PERIOD_END, NOW + timedelta(days=3), PERIOD_END + timedelta(days=90)])
def test_scheduled_end_stays_active_until_then(cancel_at: datetime) -> None:
    found = summarize([subscription(cancel_at=cancel_at)], GRACE)
    assert (found.status, found.will_renew, found.subscription_end_date) == ("active", False, cancel_at)
    assert found.entitled_until == min(cancel_at, PERIOD_END + timedelta(hours=72))


def test_summary_without_a_live_subscription() -> None:
    assert summarize([], GRACE) == SubscriptionSummary("canceled", None, None, None, False)
    ended = summarize([subscription(stripe_status="canceled", ended_at=NOW)], GRACE)
    assert ended == SubscriptionSummary("canceled", None, NOW, None, False)


def test_summary_takes_the_longest_entitlement() -> None:
    old = subscription(stripe_status="canceled", ended_at=NOW)
    yearly = subscription(id="sub_2", subscription_type="yearly", current_period_end=NOW + timedelta(days=365))
    for both in ([old, yearly], [yearly, old], [SUBSCRIPTION, yearly], [yearly, SUBSCRIPTION]):
        assert summarize(both, GRACE).subscription_type == "yearly"
    assert summarize([SUBSCRIPTION, yearly], GRACE, suspended={"sub_2"}).subscription_type == "monthly"
    assert summarize([yearly], GRACE, suspended={"sub_2"}).entitled_until is None
    assert summarize([yearly], GRACE, suspended={"sub_2"}).status == "active"


def test_newer_of_two_live_subscriptions_is_the_duplicate() -> None:
    newer = subscription(id="sub_2", created_at=NOW + timedelta(hours=1))
    ended = subscription(id="sub_3", created_at=NOW - timedelta(hours=1), stripe_status="canceled")
    assert find_duplicates([newer, SUBSCRIPTION, ended]) == [newer]
    assert find_duplicates([newer, ended]) == []
    heard_of_later = subscription(id="sub_0", known_since=NOW + timedelta(milliseconds=1))
    assert find_duplicates([heard_of_later, SUBSCRIPTION]) == [heard_of_later]
    assert find_duplicates([replace(newer, is_duplicate=True), SUBSCRIPTION]) == []
    newer = subscription(known_since=NOW + timedelta(milliseconds=2))
    assert find_duplicates([newer], ended_at=NOW + timedelta(milliseconds=1)) == [newer]
    assert find_duplicates([SUBSCRIPTION], ended_at=NOW + timedelta(hours=1)) == []
    ended = replace(newer, stripe_status="canceled")
    assert find_duplicates([ended], ended_at=NOW + timedelta(milliseconds=1)) == [ended]
    assert find_duplicates([ended], ended_at=NOW + timedelta(hours=1)) == []


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        (("pending", 0, None), "pending"),
        (("failed", 0, None), "failed"),
        (("succeeded", 0, None), "succeeded"),
        (("succeeded", 498, None), "succeeded"),
        (("succeeded", 499, None), "refunded"),
        (("succeeded", 0, "lost"), "refunded"),
        (("succeeded", 0, "appeal_under_review"), "refunded"),
        (("succeeded", 0, "won"), "succeeded"),
        (("succeeded", 0, "prevented"), "succeeded"),
        (("succeeded", 0, "needs_response"), "succeeded"),
        (("succeeded", 0, "warning_needs_response"), "succeeded"),
    ],
)
def test_status_follows_from_facts(facts: Any, status: str) -> None:
    outcome, refunded, dispute = facts
    assert payment_status(outcome, 499, refunded, dispute) == status


@pytest.mark.parametrize(
    ("dispute", "counts"),
    [
        (None, True),
        ("warning_needs_response", True),
        ("warning_under_review", True),
        ("warning_closed", True),
        ("needs_response", False),
        ("under_review", False),
        ("won", True),
        ("prevented", True),
    ],
)
def test_dispute_suspends_while_it_lasts(dispute: str | None, counts: bool) -> None:
    assert replace(PAYMENT, dispute_status=dispute).counts is counts


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "succeeded"),
        ({"status": "open", "is_paid": False}, "pending"),
        ({"status": "complete", "is_paid": False}, "pending"),
        ({"status": "complete", "is_paid": False, "has_failed": True}, "failed"),
        ({"status": "expired", "is_paid": False}, "failed"),
    ],
)
def test_sessions_outcome(changes: dict[str, Any], outcome: str) -> None:
    assert session_outcome(replace(SESSION, **changes)) == outcome


@pytest.mark.parametrize(
    ("status", "attempts", "outcome"),
    [
        ("paid", 1, "succeeded"),
        ("paid", 0, "succeeded"),
        ("open", 0, "pending"),
        ("open", 1, "failed"),
        ("void", 0, "failed"),
        ("uncollectible", 4, "failed"),
    ],
)
def test_invoices_outcome(status: str, attempts: int, outcome: str) -> None:
    assert invoice_outcome(replace(INVOICE, status=status, attempt_count=attempts)) == outcome


@st.composite
def payments_of_one_resume(draw: st.DrawFn) -> list[Payment]:
    """Return payments of one resume, of which at most one grants it."""
    amount = draw(st.integers(0, 5))
    reasons: st.SearchStrategy[RefundReason | None] = st.sampled_from([None, None, "duplicate"])
    outcomes: list[PaymentOutcome] = ["pending", "succeeded", "failed"]
    found = []
    for number in range(amount):
        outcome = draw(st.sampled_from(outcomes))
        dispute = draw(st.sampled_from([None, None, "needs_response", "won", "lost"]))
        refunded = draw(st.sampled_from([0, 0, 100, 499]))
        status = payment_status(outcome, 499, refunded, dispute)
        found.append(
            replace(
                PAYMENT,
                id=number,
                outcome=outcome,
                amount_refunded=refunded,
                dispute_status=dispute,
                status=status,
                refund_reason=draw(reasons),
            )
        )
    granting = draw(st.none() | st.integers(0, amount - 1)) if amount else None
    return [replace(each, grants=each.id == granting and each.refund_reason is None) for each in found]


@given(payments_of_one_resume(), st.booleans(), st.randoms())
def test_one_payment_grants_and_the_others_are_refunded(
    payments: list[Payment], deleted: bool, chance: random.Random
) -> None:
    settlement = settle_resume(payments, deleted)
    counting = {payment.id for payment in payments if payment.counts}
    refunded = {payment.id for payment, _ in settlement.refunds}
    kept = {settlement.granting.id} if settlement.granting else set()
    assert kept | refunded == counting
    assert not kept & refunded
    assert {reason for _, reason in settlement.refunds} <= {"requested_by_customer" if deleted else "duplicate"}
    already = {payment.id for payment in payments if payment.grants and payment.counts}
    assert already <= kept
    assert deleted or bool(kept) == bool(counting)
    chance.shuffle(payments)
    assert settle_resume(payments, deleted) == settlement


CHECKOUT_ID = uuid4()


def checkout(**changes: Any) -> Checkout:
    return replace(new_checkout(CHECKOUT_ID, 1, REQUEST, None, NOW), **({"stripe_session_id": "cs_1"} | changes))


STARTED = replace(SESSION, checkout_id=CHECKOUT_ID)


def test_matching_session() -> None:
    assert session_mismatch(checkout(), STARTED, livemode=False) is None
    assert session_mismatch(checkout(stripe_session_id=None), STARTED, livemode=False) is None


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"checkout_id": uuid4()}, "checkout"),
        ({"checkout_id": None}, "checkout"),
        ({"id": "cs_2"}, "session"),
        ({"mode": "subscription"}, "mode"),
        ({"livemode": True}, "livemode"),
        ({"amount_subtotal": 1}, "amount"),
        ({"amount_subtotal": None}, "amount"),
        ({"currency": "usd"}, "currency"),
        ({"price_ids": ("price_cheap",)}, "prices"),
        ({"price_ids": ("price_single", "price_single")}, "prices"),
        ({"price_ids": ()}, "prices"),
    ],
)
def test_mismatched_session(changes: dict[str, Any], name: str) -> None:
    found = session_mismatch(checkout(), replace(STARTED, **changes), livemode=False)
    assert found is not None
    assert found.startswith(name)


PRICES = {"price_monthly": 999, "price_yearly": 9999, "price_of_old": None}


def lines(*values: tuple[str | None, int, bool]) -> tuple[StripeInvoiceLine, ...]:
    return tuple(StripeInvoiceLine(*each) for each in values)


@pytest.mark.parametrize(
    "values",
    [
        lines(("price_monthly", 999, False)),
        lines(("price_of_old", 777, False)),
        lines(("price_monthly", -500, True), ("price_yearly", 9999, False)),
        lines(("price_monthly", -500, True), ("price_yearly", 4321, True)),
        lines(("price_gone", -500, True), ("price_yearly", 9999, False)),
        lines(("price_monthly", 0, False)),
        lines(),
    ],
)
def test_matching_invoice(values: tuple[StripeInvoiceLine, ...]) -> None:
    invoice = replace(INVOICE, lines=values)
    assert invoice_mismatch(invoice, PRICES, livemode=False) is None
    assert subscription_mismatch(replace(AT_STRIPE, latest_invoice=invoice), PRICES, livemode=False) is None


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"livemode": True}, "livemode"),
        ({"currency": "usd"}, "currency"),
        ({"lines": lines(("price_monthly", 1, False))}, "amount"),
        ({"lines": lines(("price_monthly", 1998, False))}, "amount"),
        ({"lines": lines(("price_monthly", 999, False), ("price_yearly", 1, False))}, "amount"),
        ({"lines": lines(("price_cheap", 1, False))}, "price"),
        ({"lines": lines(("price_cheap", 1, True))}, "price"),
        ({"lines": lines(("price_monthly", 999, False), (None, 100, False))}, "price"),
    ],
)
def test_mismatched_invoice(changes: dict[str, Any], name: str) -> None:
    invoice = replace(INVOICE, **changes)
    found = invoice_mismatch(invoice, PRICES, livemode=False)
    assert found is not None
    assert found.startswith(name)
    assert subscription_mismatch(replace(AT_STRIPE, latest_invoice=invoice), PRICES, livemode=False) == found


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"livemode": True}, "livemode"),
        ({"currency": "usd"}, "currency"),
        ({"item_count": 2}, "items"),
        ({"quantity": 2}, "quantity"),
        ({"quantity": None}, "quantity"),
        ({"price_id": "price_cheap"}, "price"),
    ],
)
def test_mismatched_subscription(changes: dict[str, Any], name: str) -> None:
    found = subscription_mismatch(replace(AT_STRIPE, **changes), PRICES, livemode=False)
    assert found is not None
    assert found.startswith(name)
    for ended in ("canceled", "incomplete_expired"):
        assert subscription_mismatch(replace(AT_STRIPE, status=ended, **changes), PRICES, livemode=False) is None


def test_checkout_serves_only_the_same_request() -> None:
    checkout_ = checkout()
    assert checkout_.can_serve(REQUEST, NOW)
    assert checkout_.can_serve(REQUEST, NOW + timedelta(seconds=50))
    assert not checkout_.can_serve(REQUEST, NOW + timedelta(seconds=55)), "Stripe would find its end too near"
    opened = replace(checkout_, url="https://checkout.stripe.com/c/pay/cs_1", status="open")
    assert opened.can_serve(REQUEST, NOW + timedelta(minutes=27))
    assert not opened.can_serve(REQUEST, NOW + timedelta(minutes=30))
    for changes in ({"resume_id": 2}, {"success_url": "http://localhost:3000/"}, {"cancel_url": ""}, {"price_id": "p"}):
        assert not checkout_.can_serve(replace(REQUEST, **changes), NOW)


def test_session_parameters_use_a_known_customer_or_create_one() -> None:
    known, unknown = (new_checkout(uuid4(), 1, REQUEST, customer, NOW).parameters for customer in ("cus_1", None))
    assert (known["customer"], "customer_creation" in known) == ("cus_1", False)
    assert ("customer" in unknown, unknown["customer_creation"]) == (False, "always")
    monthly = new_checkout(uuid4(), 1, replace(REQUEST, payment_type="monthly", resume_id=None), None, NOW).parameters
    assert "customer_creation" not in monthly
    assert monthly["subscription_data"]["metadata"] == monthly["metadata"]


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, "subscription_update_confirm"),
        ({"price_id": "price_yearly"}, None),
        ({"cancel_at": NOW}, None),
        ({"stripe_status": "trialing"}, "subscription_update_confirm"),
        ({"stripe_status": "past_due"}, "payment_method_update"),
        ({"stripe_status": "unpaid"}, "payment_method_update"),
        ({"stripe_status": "paused"}, None),
    ],
)
def test_portal_flow_for_each_status(changes: dict[str, Any], step: str | None) -> None:
    requested = replace(REQUEST, payment_type="yearly", resume_id=None, price_id="price_yearly")
    found = portal_flow(subscription(**changes), requested)
    assert (found and found["type"]) == step


def test_default_ports_are_the_same_origin() -> None:
    assert is_allowed("https://example.com:443/x", ["https://example.com"])
    assert is_allowed("https://EXAMPLE.com/x", ["https://example.com/"])
    assert not is_allowed("https://example.com:444/x", ["https://example.com"])
    assert not is_allowed("https://example.com/x", [])
