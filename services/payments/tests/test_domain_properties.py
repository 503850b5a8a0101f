"""Properties of payments and subscriptions that hold in any state and order."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

from cv_payments.domain.checkouts import CheckoutRequest, new_checkout
from cv_payments.domain.mismatches import session_mismatch
from cv_payments.domain.offers import CURRENCY, OFFERS
from cv_payments.domain.payments import Payment, PaymentOutcome, RefundReason, payment_status, settle_resume
from cv_payments.domain.portal import portal_flow
from cv_payments.domain.return_urls import is_allowed, origin
from cv_payments.domain.stripe_objects import StripeSession
from cv_payments.domain.subscriptions import GracePeriods, Subscription, find_duplicates, summarize
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AMOUNT = 499
GRACE = GracePeriods(renewal=timedelta(hours=72), past_due=timedelta(days=7))
STRIPE_STATUSES = (
    "trialing", "active", "past_due", "unpaid", "incomplete", "paused", "incomplete_expired", "canceled",
)  # fmt: skip
OUTCOMES: tuple[PaymentOutcome, ...] = ("pending", "succeeded", "failed")
DISPUTES = (None, "needs_response", "under_review", "won", "lost", "appeal_under_review", "warning_closed")

FEW_EXAMPLES = settings(max_examples=40)

moments = st.integers(-400, 400).map(lambda hours: NOW + timedelta(hours=hours))


@st.composite
def one_owners_subscriptions(draw: st.DrawFn) -> list[Subscription]:
    """Return up to four subscriptions of one owner in any states, created at different times."""
    checkout_ = draw(st.lists(moments, max_size=4, unique=True))
    return [
        Subscription(
            id=f"sub_{number}",
            owner_id=1,
            checkout_id=None,
            customer_id="cus_1",
            item_id=f"si_{number}",
            price_id="price_monthly",
            subscription_type="monthly",
            stripe_status=draw(st.sampled_from(STRIPE_STATUSES)),
            current_period_end=draw(moments),
            cancel_at=draw(st.none() | moments),
            ended_at=draw(st.none() | moments),
            past_due_since=draw(st.none() | moments),
            is_duplicate=draw(st.booleans()),
            created_at=created_at,
            known_since=created_at,
            updated_at=created_at,
        )
        for number, created_at in enumerate(checkout_)
    ]


@FEW_EXAMPLES
@given(one_owners_subscriptions(), st.randoms())
def test_summary_does_not_depend_on_the_order(mine: list[Subscription], chance: random.Random) -> None:
    before = (summarize(mine, GRACE), {each.id for each in find_duplicates(mine)})
    chance.shuffle(mine)
    assert (summarize(mine, GRACE), {each.id for each in find_duplicates(mine)}) == before


@FEW_EXAMPLES
@given(one_owners_subscriptions(), st.sets(st.sampled_from([f"sub_{number}" for number in range(4)])))
def test_entitlement_is_the_longest_without_duplicates_and_disputes(
    mine: list[Subscription], suspended: set[str]
) -> None:
    counting = [each.entitled_until(GRACE) for each in mine if not each.is_duplicate and each.id not in suspended]
    longest = max((until for until in counting if until is not None), default=None)
    assert summarize(mine, GRACE, suspended).entitled_until == longest


@FEW_EXAMPLES
@given(one_owners_subscriptions())
def test_entitlement_ends_with_the_subscription(mine: list[Subscription]) -> None:
    for each in mine:
        until = each.entitled_until(GRACE)
        if until is not None and each.stripe_status != "past_due":
            assert until <= each.current_period_end + GRACE.renewal
            assert each.cancel_at is None or until <= each.cancel_at


@FEW_EXAMPLES
@given(one_owners_subscriptions(), st.none() | moments)
def test_only_the_oldest_live_subscription_stays(mine: list[Subscription], ended_at: datetime | None) -> None:
    too_many = {each.id for each in find_duplicates(mine, ended_at)}
    live = [each for each in mine if each.is_live]
    stays = [each for each in live if each.id not in too_many]
    late = {each.id for each in mine if not each.is_duplicate and ended_at is not None and each.known_since > ended_at}
    assert late <= too_many <= late | {each.id for each in live}
    in_time = [each for each in live if ended_at is None or each.known_since <= ended_at]
    assert stays == sorted(in_time, key=lambda each: each.created_at)[:1]
    settled = [replace(each, is_duplicate=each.is_duplicate or each.id in too_many) for each in mine]
    assert find_duplicates(settled, ended_at) == []


sums = st.sampled_from([0, 1, AMOUNT - 1, AMOUNT])


@FEW_EXAMPLES
@given(st.sampled_from(OUTCOMES), sums, sums, st.sampled_from(DISPUTES))
def test_refunded_payment_stays_refunded(
    outcome: PaymentOutcome, refunded: int, more: int, dispute: str | None
) -> None:
    before = payment_status(outcome, AMOUNT, refunded, dispute)
    after = payment_status(outcome, AMOUNT, refunded + more, dispute)
    assert before in {outcome, "refunded"}
    assert before != "refunded" or after == "refunded"
    assert outcome == "succeeded" or after == outcome


@dataclass
class Facts:
    """What Stripe says about one payment, and whether the service ordered a refund."""

    outcome: PaymentOutcome = "pending"
    refunded: int = 0
    dispute: str | None = None
    refund_reason: RefundReason | None = None


class PaymentsOfOneResume(RuleBasedStateMachine):
    """Any facts about the payments for one resume, each followed by the settlement."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[Facts] = []
        self.granting: int | None = None
        self.deleted = False

    @rule()
    def begin(self) -> None:
        self.facts.append(Facts())

    @precondition(lambda self: self.facts)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES[1:]))
    def end(self, data: st.DataObject, outcome: PaymentOutcome) -> None:
        self._any(data).outcome = outcome
        self._settle()

    @precondition(lambda self: self.facts)
    @rule(data=st.data(), dispute=st.sampled_from(DISPUTES))
    def dispute(self, data: st.DataObject, dispute: str | None) -> None:
        self._any(data).dispute = dispute
        self._settle()

    @precondition(lambda self: self.facts)
    @rule(data=st.data(), amount=st.integers(1, AMOUNT))
    def refund(self, data: st.DataObject, amount: int) -> None:
        facts = self._any(data)
        facts.refunded = min(AMOUNT, facts.refunded + amount)
        self._settle()

    @rule()
    def delete_resume(self) -> None:
        self.deleted = True
        self._settle()

    @invariant()
    def one_payment_at_most_grants_and_none_that_counts_is_left_over(self) -> None:
        granting = [payment for payment in self._payments() if payment.grants]
        assert len(granting) <= 1
        assert all(payment.counts for payment in granting)
        assert [payment for payment in self._payments() if payment.counts and not payment.grants] == []

    @invariant()
    def a_settled_resume_is_settled(self) -> None:
        assert settle_resume(self._payments(), self.deleted).refunds == ()

    def _any(self, data: st.DataObject) -> Facts:
        return self.facts[data.draw(st.integers(0, len(self.facts) - 1))]

    def _settle(self) -> None:
        before = self.granting
        settlement = settle_resume(self._payments(), self.deleted)
        for payment, reason in settlement.refunds:
            assert payment.id != before, "what grants is not given back by ourselves"
            self.facts[payment.id].refund_reason = reason
        self.granting = settlement.granting.id if settlement.granting else None
        assert not (self.deleted and before is None and self.granting is not None)

    def _payments(self) -> list[Payment]:
        return [
            Payment(
                id=number,
                owner_id=1,
                checkout_id=None,
                subscription_id=None,
                payment_type="single",
                resume_id=1,
                stripe_invoice_id=None,
                stripe_payment_intent_id=f"pi_{number}",
                amount=AMOUNT,
                currency=CURRENCY,
                outcome=facts.outcome,
                amount_refunded=facts.refunded,
                dispute_status=facts.dispute,
                status=payment_status(facts.outcome, AMOUNT, facts.refunded, facts.dispute),
                refund_reason=facts.refund_reason,
                grants=number == self.granting,
                receipt_url=None,
                created_at=NOW,
                updated_at=NOW,
            )
            for number, facts in enumerate(self.facts)
        ]


TestPaymentsOfOneResume = PaymentsOfOneResume.TestCase
TestPaymentsOfOneResume.settings = settings(max_examples=25, stateful_step_count=15)


requests = st.builds(
    CheckoutRequest,
    payment_type=st.sampled_from(list(OFFERS)),
    resume_id=st.none() | st.integers(1),
    success_url=st.sampled_from(["http://localhost:3000/yes", "http://localhost:3000/done"]),
    cancel_url=st.sampled_from(["http://localhost:3000/no", ""]),
    price_id=st.sampled_from(["price_monthly", "price_yearly"]),
)


@FEW_EXAMPLES
@given(requests, st.none() | st.just("cus_1"), st.integers(0))
def test_checkout_has_the_servers_price_and_matches_its_session(
    requested: CheckoutRequest, customer: str | None, paid: int
) -> None:
    checkout = new_checkout(uuid4(), 1, requested, customer, NOW)
    assert (checkout.amount, checkout.currency) == (OFFERS[requested.payment_type].amount, "eur")
    assert checkout.can_serve(requested, NOW)
    assert not checkout.can_serve(requested, checkout.expires_at)
    session = StripeSession(
        id="cs_1",
        checkout_id=checkout.id,
        mode=checkout.parameters["mode"],
        status="open",
        is_paid=False,
        has_failed=False,
        amount_subtotal=checkout.amount,
        amount_total=paid,
        currency=checkout.currency,
        livemode=False,
        price_ids=tuple(item["price"] for item in checkout.parameters["line_items"]),
        customer_id=customer,
        payment_intent_id=None,
        charge_id=None,
        subscription_id=None,
        invoice_id=None,
        url=None,
    )
    assert session_mismatch(checkout, session, livemode=False) is None
    assert session_mismatch(checkout, replace(session, amount_subtotal=checkout.amount - 1), livemode=False) is not None


@FEW_EXAMPLES
@given(one_owners_subscriptions(), requests)
def test_portal_offers_a_change_only_of_an_active_plan(mine: list[Subscription], requested: CheckoutRequest) -> None:
    for each in mine:
        step = portal_flow(each, requested)
        changes = step is not None and step["type"] == "subscription_update_confirm"
        settled = each.stripe_status in {"active", "trialing"} and each.cancel_at is None
        assert changes == (settled and each.price_id != requested.price_id)


@FEW_EXAMPLES
@given(st.text() | st.from_regex(r"https?://[^/]*(:[0-9]+)?/.*"))
def test_origin_of_an_origin_is_itself(url: str) -> None:
    found = origin(url)
    if found is not None:
        assert origin(found) == found
        assert is_allowed(url, [found])


@FEW_EXAMPLES
@given(st.text())
def test_suffix_does_not_change_an_allowed_origin(rest: str) -> None:
    allowed = "http://localhost:3000"
    if is_allowed(allowed + rest, [allowed]):
        assert urlsplit(allowed + rest).netloc == "localhost:3000"
