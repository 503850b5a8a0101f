"""The lifecycle of a subscription, with time travel instead of waiting."""

import time
from typing import Any

import pytest
import stripe
from cv_stripe_sandbox.testing import ONE_CV, Receiver, SandboxClient, subscription_params

MONTH = 28 * 86400


def item_of(subscription: stripe.Subscription) -> Any:
    return subscription.items.data[0]


def fetch(sandbox: SandboxClient, subscription: stripe.Subscription) -> stripe.Subscription:
    return sandbox.client.v1.subscriptions.retrieve(subscription.id)


def test_a_paid_checkout_creates_an_active_subscription(sandbox: SandboxClient, receiver: Receiver) -> None:
    subscription = sandbox.subscribe(client_reference_id="attempt-2")

    item = item_of(subscription)
    assert subscription.status == "active"
    assert subscription.metadata.to_dict() == {"user_id": "7"}
    assert item.price.recurring.interval == "month"
    assert item.current_period_end - int(time.time()) > MONTH - 60
    invoice = receiver.wait_for("invoice.paid").data.object
    assert invoice.parent.subscription_details.subscription == subscription.id
    assert invoice.parent.subscription_details.metadata.user_id == "7"
    assert (invoice.amount_paid, invoice.billing_reason, invoice.status) == (999, "subscription_create", "paid")
    assert invoice.lines.data[0].period.end == item.current_period_end
    completed = receiver.wait_for("checkout.session.completed").data.object
    assert (completed.subscription, completed.invoice, completed.mode) == (subscription.id, invoice.id, "subscription")
    assert completed.payment_intent is None


def test_all_first_events_of_a_subscription_are_emitted(sandbox: SandboxClient) -> None:
    sandbox.subscribe()

    types = [event.type for event in sandbox.client.v1.events.list({"limit": 100}).data[::-1]]

    emitted = [kind for kind in types if kind.startswith(("checkout.", "invoice", "customer.subscription."))]
    assert emitted == [
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
        "checkout.session.completed",
    ]


def test_a_decline_creates_no_subscription(sandbox: SandboxClient) -> None:
    session = sandbox.client.v1.checkout.sessions.create(subscription_params())

    sandbox.browser.post(f"{session.url}/decline")

    assert sandbox.client.v1.subscriptions.list().data == []
    assert sandbox.client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_a_renewal_starts_a_new_period_and_is_paid(sandbox: SandboxClient, receiver: Receiver) -> None:
    subscription = sandbox.subscribe()

    sandbox.control("renew", subscription=subscription.id)

    now = int(time.time())
    item = item_of(fetch(sandbox, subscription))
    assert item.current_period_start <= now
    assert item.current_period_end > now + MONTH - 60
    receiver.wait_for("invoice.paid", 2)
    invoices = sandbox.client.v1.invoices.list({"subscription": subscription.id}).data
    assert [invoice.billing_reason for invoice in invoices] == ["subscription_cycle", "subscription_create"]
    assert invoices[0].lines.data[0].period.end == item.current_period_end
    assert invoices[0].period_end == item.current_period_start
    updated = receiver.wait_for("customer.subscription.updated")
    assert updated.data.previous_attributes is not None
    assert "items" in updated.data.previous_attributes


def test_a_failed_renewal_is_past_due_with_a_new_period(sandbox: SandboxClient, receiver: Receiver) -> None:
    subscription = sandbox.subscribe()
    sandbox.control("card", customer=subscription.customer, card="0341")

    sandbox.control("renew", subscription=subscription.id)

    late = fetch(sandbox, subscription)
    assert late.status == "past_due"
    assert item_of(late).current_period_end > time.time() + MONTH - 60
    failed = receiver.wait_for("invoice.payment_failed").data.object
    assert (failed.attempt_count, failed.status, failed.amount_due) == (1, "open", 999)
    assert failed.next_payment_attempt > time.time()


@pytest.mark.parametrize(
    ("outcome", "status"), [("cancel", "canceled"), ("unpaid", "unpaid"), ("past_due", "past_due")]
)
def test_dunning_ends_as_configured(sandbox: SandboxClient, receiver: Receiver, outcome: str, status: str) -> None:
    sandbox.control("dunning", outcome=outcome)
    subscription = sandbox.subscribe()
    sandbox.control("card", customer=subscription.customer, card="0341")
    sandbox.control("renew", subscription=subscription.id)

    for _ in range(3):
        sandbox.control("retry", subscription=subscription.id)

    assert fetch(sandbox, subscription).status == status
    receiver.wait_for("invoice.payment_failed", 4)
    failures = [event.data.object for event in receiver.of_type("invoice.payment_failed")]
    assert {failed.attempt_count for failed in failures if failed.next_payment_attempt is None} == {4}
    if outcome == "cancel":
        gone = receiver.wait_for("customer.subscription.deleted").data.object
        assert gone.cancellation_details.reason == "payment_failed"


def test_a_working_card_makes_a_past_due_subscription_active(sandbox: SandboxClient, receiver: Receiver) -> None:
    subscription = sandbox.subscribe()
    sandbox.control("card", customer=subscription.customer, card="0341")
    sandbox.control("renew", subscription=subscription.id)
    sandbox.control("card", customer=subscription.customer, card="4242")

    sandbox.control("retry", subscription=subscription.id)

    assert fetch(sandbox, subscription).status == "active"
    receiver.wait_for("invoice.paid", 2)
    assert sorted(event.data.object.attempt_count for event in receiver.of_type("invoice.paid")) == [1, 2]


def test_a_cancellation_at_the_period_end_can_be_undone(sandbox: SandboxClient) -> None:
    subscription = sandbox.subscribe()

    scheduled = sandbox.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert (scheduled.cancel_at_period_end, scheduled.status) == (True, "active")
    assert scheduled.cancel_at == item_of(scheduled).current_period_end
    kept = sandbox.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})

    assert (kept.cancel_at, kept.canceled_at, kept.cancel_at_period_end) == (None, None, False)


def test_only_an_empty_cancel_at_undoes_a_cancel_at(sandbox: SandboxClient) -> None:
    subscription = sandbox.subscribe()
    sandbox.client.v1.subscriptions.update(subscription.id, {"cancel_at": int(time.time()) + 86400})

    still = sandbox.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert still.cancel_at is not None
    kept = sandbox.client.v1.subscriptions.update(subscription.id, {"cancel_at": ""})

    assert kept.cancel_at is None


def test_a_scheduled_cancellation_takes_effect(sandbox: SandboxClient, receiver: Receiver) -> None:
    subscription = sandbox.subscribe()
    sandbox.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})

    sandbox.control("end", subscription=subscription.id)

    ended = receiver.wait_for("customer.subscription.deleted").data.object
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "cancellation_requested")
    assert ended.ended_at <= time.time()
    assert len(sandbox.client.v1.invoices.list().data) == 1


def test_an_immediate_cancellation_is_final(sandbox: SandboxClient) -> None:
    subscription = sandbox.subscribe()

    ended = sandbox.client.v1.subscriptions.cancel(subscription.id)

    assert ended.status == "canceled"
    assert fetch(sandbox, subscription).status == "canceled"
    assert sandbox.client.v1.subscriptions.list().data == []
    assert len(sandbox.client.v1.subscriptions.list({"status": "all"}).data) == 1
    with pytest.raises(stripe.InvalidRequestError):
        sandbox.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})


def test_a_subscription_can_be_paused_and_resumed(sandbox: SandboxClient, receiver: Receiver) -> None:
    subscription = sandbox.subscribe()

    paused = sandbox.client.v1.subscriptions.pause(subscription.id)
    assert paused.status == "paused"
    assert paused.status_details is not None
    assert paused.status_details.paused.subscription.type == "pause_requested"
    assert receiver.wait_for("customer.subscription.paused").data.object.id == subscription.id
    resumed = sandbox.client.v1.subscriptions.resume(subscription.id)

    assert (resumed.status, resumed.status_details) == ("active", None)
    assert receiver.wait_for("customer.subscription.resumed").data.object.id == subscription.id


def test_an_invoice_and_its_payment_link_to_each_other(sandbox: SandboxClient) -> None:
    subscription = sandbox.subscribe()

    invoice = sandbox.client.v1.invoices.retrieve(
        str(subscription.latest_invoice), {"expand": ["payments.data.payment.payment_intent"]}
    )

    assert invoice.payments is not None
    intent: Any = invoice.payments.data[0].payment.payment_intent
    assert (intent.status, intent.amount) == ("succeeded", 999)
    assert intent.metadata.to_dict() == {}
    links = sandbox.client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent.id}}
    )
    assert [link.invoice for link in links.data] == [invoice.id]


def test_a_refunded_invoice_does_not_cancel_the_subscription(sandbox: SandboxClient) -> None:
    subscription = sandbox.subscribe()
    charge = sandbox.client.v1.charges.list().data[0]

    sandbox.client.v1.refunds.create({"charge": charge.id})

    assert fetch(sandbox, subscription).status == "active"


def test_deleting_a_customer_ends_their_subscriptions(sandbox: SandboxClient) -> None:
    subscription = sandbox.subscribe()

    sandbox.client.v1.customers.delete(str(subscription.customer))

    assert fetch(sandbox, subscription).status == "canceled"
    assert sandbox.client.v1.customers.retrieve(str(subscription.customer)).deleted
    assert sandbox.client.v1.customers.list().data == []


def test_a_month_is_a_calendar_month(sandbox: SandboxClient) -> None:
    price = {**ONE_CV, "unit_amount": 999, "recurring": {"interval": "month"}}
    subscription = sandbox.subscribe(line_items=[{"price_data": price, "quantity": 2}])

    assert sandbox.client.v1.charges.list().data[0].amount == 1998
    sandbox.control("shift", id=subscription.id, days=-400)

    item = item_of(fetch(sandbox, subscription))
    assert item.current_period_start <= time.time() < item.current_period_end
    assert len(sandbox.client.v1.invoices.list({"limit": 100}).data) == 14
