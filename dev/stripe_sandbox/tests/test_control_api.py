"""The control API: webhook delivery, faults, time travel, disputes, and the dashboard."""

import threading
import time

import pytest
import stripe
from cv_stripe_sandbox.testing import Receiver, SandboxClient, payment_params, wait_until


def test_duplicates_sets_the_number_of_copies(sandbox: SandboxClient, receiver: Receiver) -> None:
    sandbox.control("delivery", duplicates=2)

    sandbox.client.v1.customers.create({})

    receiver.wait_for("customer.created", 3)
    assert len({event.id for event in receiver.of_type("customer.created")}) == 1


def test_dropped_events_are_listed_as_undelivered(sandbox: SandboxClient, receiver: Receiver) -> None:
    sandbox.control("delivery", drop=["checkout.session.*"])

    sandbox.pay(sandbox.checkout())

    receiver.wait_for("payment_intent.succeeded")
    assert "checkout.session.completed" not in receiver.types()
    wait_until(lambda: len(sandbox.client.v1.events.list({"delivery_success": False}).data) == 1)
    assert sandbox.client.v1.events.list({"delivery_success": False}).data[0].type == "checkout.session.completed"


def test_held_events_can_be_sent_in_any_order(sandbox: SandboxClient, receiver: Receiver) -> None:
    sandbox.control("delivery", hold=True)
    sandbox.pay(sandbox.checkout())
    held = sandbox.browser.get("/sandbox/deliveries?state=held").json()

    for delivery in reversed(held):
        sent = sandbox.control("send", event=delivery["event"])
        assert sent["deliveries"][0]["last_status"] == 200

    assert receiver.types() == [delivery["type"] for delivery in reversed(held)]
    assert "checkout.session.completed" in receiver.types()


def test_release_sends_all_held_events(sandbox: SandboxClient, receiver: Receiver) -> None:
    sandbox.control("delivery", hold=True)
    sandbox.pay(sandbox.checkout())

    released = sandbox.control("release", shuffle=0.2)["released"]

    wait_until(lambda: len(receiver.events) == released)


def test_delay_postpones_the_delivery(sandbox: SandboxClient, receiver: Receiver) -> None:
    sandbox.control("delivery", delay=3600)

    sandbox.client.v1.customers.create({})

    assert sandbox.browser.get("/sandbox/deliveries?state=pending").json()[-1]["next_attempt"] > time.time() + 3000
    assert receiver.types() == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (402, stripe.CardError),
        (409, stripe.InvalidRequestError),
        (429, stripe.RateLimitError),
        (500, stripe.APIError),
    ],
)
def test_a_fault_makes_an_api_call_fail(sandbox: SandboxClient, status: int, error: type[stripe.StripeError]) -> None:
    sandbox.control("fault", path="/v1/checkout/sessions", status=status)

    with pytest.raises(stripe.StripeError) as raised:
        sandbox.checkout()

    assert raised.value.http_status == status
    if status != 409:
        assert type(raised.value) is error
    assert sandbox.checkout().status == "open"


def test_the_sdk_retries_a_conflict_with_the_same_key(sandbox: SandboxClient) -> None:
    sandbox.control("fault", path="/v1/checkout/sessions", status=409, times=2)
    client = stripe.StripeClient(
        str(sandbox.settings.api_key), base_addresses={"api": sandbox.url}, max_network_retries=2
    )

    assert client.v1.checkout.sessions.create(payment_params()).status == "open"


def test_a_server_error_is_replayed_for_its_key(sandbox: SandboxClient) -> None:
    sandbox.control("fault", path="/v1/checkout/sessions", status=500)
    with pytest.raises(stripe.APIError):
        sandbox.client.v1.checkout.sessions.create(payment_params(), {"idempotency_key": "k"})

    with pytest.raises(stripe.APIError):
        sandbox.client.v1.checkout.sessions.create(payment_params(), {"idempotency_key": "k"})


def test_a_key_in_use_is_a_conflict(sandbox: SandboxClient) -> None:
    sandbox.control("fault", path="/v1/checkout/sessions", delay=2)
    slow = threading.Thread(
        target=lambda: sandbox.client.v1.checkout.sessions.create(payment_params(), {"idempotency_key": "k"})
    )
    slow.start()
    wait_until(lambda: sandbox.browser.get("/sandbox/knobs").json()["faults"] == [])

    with pytest.raises(stripe.StripeError) as raised:
        sandbox.client.v1.checkout.sessions.create(payment_params(), {"idempotency_key": "k"})
    slow.join()

    assert raised.value.http_status == 409
    assert len(sandbox.client.v1.checkout.sessions.list().data) == 1


@pytest.mark.parametrize(("arrived", "event", "status"), [(True, "succeeded", "paid"), (False, "failed", "unpaid")])
def test_a_delayed_payment_succeeds_or_fails(
    sandbox: SandboxClient, receiver: Receiver, arrived: bool, event: str, status: str
) -> None:
    session = sandbox.checkout()
    sandbox.browser.post(f"{session.url}/pay-later")

    sandbox.control("settle", session=session.id, arrived=arrived)

    assert receiver.wait_for(f"checkout.session.async_payment_{event}").data.object.payment_status == status


def test_expire_expires_a_session(sandbox: SandboxClient, receiver: Receiver) -> None:
    session = sandbox.checkout()

    sandbox.control("expire", session=session.id)

    assert receiver.wait_for("checkout.session.expired").data.object.id == session.id
    expired = sandbox.client.v1.checkout.sessions.retrieve(session.id)
    assert expired.expires_at <= time.time()
    assert sandbox.browser.get(str(session.url)).status_code == 410


def test_refunds_add_up_and_a_failed_one_is_undone(sandbox: SandboxClient, receiver: Receiver) -> None:
    sandbox.pay(sandbox.checkout())
    charge = sandbox.client.v1.charges.list().data[0]

    sandbox.control("refund", charge=charge.id, amount=200)
    partial = receiver.wait_for("charge.refunded").data.object
    assert (partial.amount_refunded, partial.refunded) == (200, False)
    second = sandbox.control("refund", charge=charge.id)
    full = receiver.wait_for("charge.refunded", 2).data.object
    assert (full.amount_refunded, full.refunded) == (499, True)
    sandbox.control("fail-refund", refund=second["id"])

    assert receiver.wait_for("refund.failed").data.object.status == "failed"
    again = sandbox.client.v1.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert (again.amount_refunded, again.refunded) == (200, False)
    assert again.refunds is not None
    assert {refund.status for refund in again.refunds.data} == {"succeeded", "failed"}
    with pytest.raises(stripe.InvalidRequestError, match="at most"):
        sandbox.client.v1.refunds.create({"charge": charge.id, "amount": 300})


@pytest.mark.parametrize("end", ["won", "lost"])
def test_a_dispute_can_be_won_or_lost(sandbox: SandboxClient, receiver: Receiver, end: str) -> None:
    sandbox.pay(sandbox.checkout())
    charge = sandbox.client.v1.charges.list().data[0]

    dispute = sandbox.control("dispute", charge=charge.id)
    opened = receiver.wait_for("charge.dispute.created").data.object
    assert (opened.charge, opened.payment_intent, opened.status) == (charge.id, charge.payment_intent, "needs_response")
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        sandbox.client.v1.refunds.create({"charge": charge.id})
    sandbox.control("move-dispute", dispute=dispute["id"], status=end)

    assert receiver.wait_for("charge.dispute.closed").data.object.status == end
    assert ("charge.dispute.funds_reinstated" in [e.type for e in sandbox.client.v1.events.list().data]) == (
        end == "won"
    )


def test_an_inquiry_moves_no_money(sandbox: SandboxClient, receiver: Receiver) -> None:
    sandbox.pay(sandbox.checkout())
    charge = sandbox.client.v1.charges.list().data[0]

    sandbox.control("dispute", charge=charge.id, status="warning_needs_response")

    receiver.wait_for("charge.dispute.created")
    assert "charge.dispute.funds_withdrawn" not in [event.type for event in sandbox.client.v1.events.list().data]


def test_a_rolled_secret_signs_together_with_the_old_one(sandbox: SandboxClient, receiver: Receiver) -> None:
    rolled = sandbox.control("roll-secret", endpoint="we_1SandboxEnvironmentEndpoint", keep=True)
    receiver.secrets = rolled["secrets"]

    sandbox.client.v1.customers.create({})

    receiver.wait_for("customer.created")
    assert receiver.signatures[0].count("v1=") == 2


def test_reset_deletes_everything(sandbox: SandboxClient, receiver: Receiver) -> None:
    sandbox.pay(sandbox.checkout())
    sandbox.control("delivery", hold=True)

    sandbox.control("reset")

    assert sandbox.client.v1.events.list().data == []
    assert sandbox.client.v1.charges.list().data == []
    receiver.events.clear()
    sandbox.client.v1.customers.create({})
    receiver.wait_for("customer.created")


@pytest.mark.parametrize(
    ("control", "body"),
    [
        ("delivery", {"nonsense": 1}),
        ("delivery", {"duplicates": "many"}),
        ("renew", {}),
        ("renew", {"subscription": "sub_unknown"}),
        ("dunning", {"outcome": "forgive"}),
        ("settle", {"session": "cs_unknown"}),
    ],
)
def test_an_invalid_control_is_a_400_with_a_message(
    sandbox: SandboxClient, control: str, body: dict[str, object]
) -> None:
    answer = sandbox.browser.post(f"/sandbox/{control}", json=body)

    assert answer.status_code in {400, 404}
    assert answer.json()["error"]["message"]


def test_the_dashboard_shows_all_objects_and_its_buttons_work(sandbox: SandboxClient) -> None:
    sandbox.pay(sandbox.checkout())
    subscription = sandbox.subscribe()

    page = sandbox.browser.get("/")
    assert page.status_code == 200
    for text in ("Refund half", "End period now", "checkout.session.completed", "No money moves"):
        assert text in page.text
    answer = sandbox.browser.post("/sandbox/renew", data={"subscription": subscription.id})

    assert (answer.status_code, answer.headers["location"]) == (303, "/?done=renew")
    assert len(sandbox.client.v1.invoices.list().data) == 2


def test_invoices_and_receipts_have_pages(sandbox: SandboxClient) -> None:
    sandbox.subscribe()

    invoice = sandbox.client.v1.invoices.list().data[0]
    charge = sandbox.client.v1.charges.list().data[0]

    assert "€9.99" in sandbox.browser.get(str(invoice.hosted_invoice_url)).text
    assert "€9.99" in sandbox.browser.get(str(charge.receipt_url)).text


def test_a_held_delivery_stays_held_after_a_failed_attempt(sandbox: SandboxClient, receiver: Receiver) -> None:
    sandbox.control("delivery", hold=True)
    receiver.answers = [500]
    sandbox.client.v1.customers.create({})
    held = sandbox.browser.get("/sandbox/deliveries?state=held").json()

    sent = sandbox.control("send", event=held[0]["event"])["deliveries"]

    assert [(delivery["state"], delivery["last_status"]) for delivery in sent] == [("held", 500)]
