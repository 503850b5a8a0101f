"""NATS consumers: claimed sessions, erased accounts, deleted resumes."""

import secrets

import psycopg
import pytest
from cv_common.messaging.events import ResumeDeleted, SessionClaimed, UserDeleted
from cv_testing.serving import eventually
from stripe import PaymentIntent, Subscription

from services.payments.tests.system import System


async def test_session_claimed_event_transfers_purchases(system: System) -> None:
    session_id, user_id, resume_id = secrets.token_urlsafe(24), system.new_id(), system.new_resume()
    page = await system.single_page(system.as_session(session_id), resume_id)
    await system.publish(SessionClaimed(session_id=session_id, user_id=user_id, revision=1))

    async def ended() -> bool:
        answer = await system.checkout(system.as_session(session_id), payment_type="single", resume_id=resume_id)
        return "X-Session-Start" in answer.headers

    await eventually(ended)
    assert await system.single_page(system.keys.user("payments", user_id), resume_id) == page


async def test_deleted_resume_closes_its_page(system: System) -> None:
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    await system.publish(ResumeDeleted(resume_id=resume_id, revision=1))
    await eventually(lambda: system.session_at(page).status == "expired")
    answer = await system.checkout(system.new_user(), payment_type="single", resume_id=resume_id)
    assert (answer.status_code, answer.json()) == (
        400,
        {"resume_id": [f"Resume with id {resume_id} does not exist."]},
    )


async def test_payment_for_a_deleted_resume_is_refunded(system: System) -> None:
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    await system.control("delivery", hold=True)
    await system.press(page)
    await system.publish(ResumeDeleted(resume_id=resume_id, revision=1))
    await eventually(lambda: is_deleted(system, resume_id))
    await system.control("delivery", hold=False)
    await system.control("release")
    await eventually(lambda: system.refunded_amount(page) == 499)
    assert system.published_paid(resume_id) == []


async def test_resume_deleted_after_its_payment_is_not_refunded(system: System) -> None:
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    await system.press(page)
    await eventually(lambda: system.published_paid(resume_id) == [True])
    await system.publish(ResumeDeleted(resume_id=resume_id, revision=1))
    await eventually(lambda: is_deleted(system, resume_id))
    assert system.refunded_amount(page) == 0
    intent = system.session_at(page).payment_intent
    assert isinstance(intent, PaymentIntent)
    assert system.row("select key from stripe_calls where object_id = %s", intent.id) == {}


def is_deleted(system: System, resume_id: int) -> bool:
    with psycopg.connect(system.database_url) as connection:
        query = "select count(*) from resumes where id = %s and deleted_at is not null"
        return connection.execute(query, (resume_id,)).fetchone() == (1,)


async def test_payments_of_an_erased_account_have_no_name(system: System) -> None:
    user_id, resume_id = system.new_id(), system.new_resume()
    user = system.keys.user("payments", user_id)
    page = await system.single_page(user, resume_id)
    await system.press(page)
    await eventually(lambda: system.published_paid(resume_id) == [True])
    open_page = await system.single_page(user, system.new_resume())
    await system.publish(UserDeleted(user_id=user_id, revision=1))
    await eventually(lambda: system.session_at(open_page).status == "expired")
    refused = await system.checkout(user, payment_type="single", resume_id=system.new_resume())
    assert (refused.status_code, refused.json()["code"]) == (401, "user_not_found")
    with psycopg.connect(system.database_url, autocommit=True) as connection:
        query = (
            "select amount, status, payments.receipt_url, owners.user_id, owners.session_id from payments"
            " join owners on owners.id = owner_id where resume_id = %s"
        )
        assert connection.execute(query, (resume_id,)).fetchall() == [(499, "succeeded", None, None, None)]
        await system.control("refund", charge=system.charge_at(page).id, amount=100)
        await eventually(lambda: system.payment_of(page)["amount_refunded"] == 100)
        assert connection.execute(query, (resume_id,)).fetchall() == [(499, "succeeded", None, None, None)]


async def test_customers_of_an_erased_account_are_deleted_at_stripe(system: System) -> None:
    """Both customers, of the account and of its earlier session, are deleted. Payments keep their amounts."""
    user_id, session_id = system.new_id(), secrets.token_urlsafe(24)
    user = system.keys.user("payments", user_id)
    bought = await system.buy(system.as_session(session_id), system.new_resume())
    subscription = await system.subscribe(user)
    await eventually(lambda: system.summary(user_id=user_id) is not None)
    await system.claim(session_id, user_id)
    customers = [str(bought.customer), str(subscription.customer)]
    assert len(set(customers)) == 2
    await system.publish(UserDeleted(user_id=user_id, revision=1))

    def forgotten() -> bool:
        found = [system.stripe.v1.customers.retrieve(customer) for customer in customers]
        return all(getattr(each, "deleted", False) for each in found)

    await eventually(forgotten)
    await eventually(lambda: system.stripe.v1.subscriptions.retrieve(subscription.id).status == "canceled")
    kept = "select count(*) as kept from payments where stripe_payment_intent_id = %s and status = 'succeeded'"
    assert isinstance(bought.payment_intent, PaymentIntent)
    assert system.row(kept, bought.payment_intent.id) == {"kept": 1}
    await eventually(system.all_webhooks_processed)
    stuck = "select key from stripe_calls where object_id = any(%s) and outcome = 'dead'"
    assert system.row(stuck, [*customers, subscription.id]) == {}


async def test_customer_who_pays_during_the_erasure_is_deleted(system: System) -> None:
    user_id, resume_id = system.new_id(), system.new_resume()
    page = await system.single_page(system.keys.user("payments", user_id), resume_id)
    await system.control("delivery", hold=True)
    await system.press(page)
    customer = str(system.session_at(page).customer)
    await system.publish(UserDeleted(user_id=user_id, revision=1))
    await eventually(lambda: system.row("select id from owners where user_id = %s and ended_at is not null", user_id))
    await system.control("delivery", hold=False)
    await system.control("release")
    await eventually(lambda: getattr(system.stripe.v1.customers.retrieve(customer), "deleted", False))


async def test_subscription_paid_during_the_erasure_is_refunded(system: System) -> None:
    """Stripe ends the subscription with its customer before the service knows about it."""
    user_id = system.new_id()
    user = system.keys.user("payments", user_id)
    customer = str((await system.buy(user, system.new_resume())).customer)
    await eventually(lambda: system.row("select 1 as known from owners where customer_id = %s", customer))
    page = await system.checkout_page(user, payment_type="monthly")
    await system.control("delivery", hold=True)
    await system.press(page)
    await system.publish(UserDeleted(user_id=user_id, revision=1))
    await eventually(lambda: getattr(system.stripe.v1.customers.retrieve(customer), "deleted", False))
    await system.control("delivery", hold=False)
    await system.control("release")
    subscription = system.session_at(page).subscription
    assert isinstance(subscription, Subscription)
    [charge] = [each for each in system.stripe.v1.charges.list({"customer": customer}).data if each.amount == 999]
    await eventually(lambda: system.stripe.v1.charges.retrieve(charge.id).refunded)


@pytest.mark.parametrize("erased_first", [True, False])
async def test_session_of_an_erased_account_ends_with_it(system: System, erased_first: bool) -> None:
    """Whichever event comes first: the subscription is canceled and the customer deleted."""
    session_id, user_id = secrets.token_urlsafe(24), system.new_id()
    subscription = await system.subscribe(system.as_session(session_id))
    await eventually(lambda: system.summary(session_id=session_id) is not None)
    open_page = await system.single_page(system.as_session(session_id), system.new_resume())
    erased, claimed = (
        UserDeleted(user_id=user_id, revision=2),
        SessionClaimed(session_id=session_id, user_id=user_id, revision=1),
    )
    first, second = (erased, claimed) if erased_first else (claimed, erased)
    await system.publish(first)
    ended = "select id from owners where (user_id = %s or session_id = %s) and ended_at is not null"
    await eventually(lambda: system.row(ended, user_id, session_id))
    await system.publish(second)
    await eventually(lambda: system.stripe.v1.subscriptions.retrieve(subscription.id).status == "canceled")
    await eventually(lambda: system.session_at(open_page).status == "expired")
    await eventually(lambda: getattr(system.stripe.v1.customers.retrieve(str(subscription.customer)), "deleted", False))
    whose = (
        "select user_id, session_id from owners join subscriptions on owner_id = owners.id where subscriptions.id = %s"
    )
    assert system.row(whose, subscription.id) == {"user_id": None, "session_id": None}
    answer = await system.checkout(system.as_session(session_id), payment_type="single", resume_id=system.new_resume())
    assert answer.headers["X-Session-Start"] not in ("", session_id)
