"""The NATS door: sessions claimed, accounts erased, resumes deleted."""

import secrets

import psycopg
import pytest
from cv_common.messaging.events import ResumeDeleted, SessionClaimed, UserDeleted
from cv_testing.serving import eventually
from stripe import PaymentIntent, Subscription

from services.payments.tests.shop import Shop


async def test_claim_told_by_event(shop: Shop) -> None:
    session_id, user_id, resume_id = secrets.token_urlsafe(24), shop.number(), shop.resume()
    page = await shop.single(shop.session(session_id), resume_id)
    await shop.publish(SessionClaimed(session_id=session_id, user_id=user_id, revision=1))

    async def ended() -> bool:
        answer = await shop.checkout(shop.session(session_id), payment_type="single", resume_id=resume_id)
        return "X-Session-Start" in answer.headers

    await eventually(ended)
    assert await shop.single(shop.keys.user("payments", user_id), resume_id) == page


async def test_nobody_pays_for_a_deleted_resume(shop: Shop) -> None:
    resume_id = shop.resume()
    page = await shop.single(shop.user(), resume_id)
    await shop.publish(ResumeDeleted(resume_id=resume_id, revision=1))
    await eventually(lambda: shop.session_at(page).status == "expired")
    answer = await shop.checkout(shop.user(), payment_type="single", resume_id=resume_id)
    assert (answer.status_code, answer.json()) == (
        400,
        {"resume_id": [f"Resume with id {resume_id} does not exist."]},
    )


async def test_who_pays_for_a_deleted_resume_gets_it_back(shop: Shop) -> None:
    resume_id = shop.resume()
    page = await shop.single(shop.user(), resume_id)
    await shop.control("delivery", hold=True)
    await shop.press(page)
    await shop.publish(ResumeDeleted(resume_id=resume_id, revision=1))
    await eventually(lambda: is_deleted(shop, resume_id))
    await shop.control("delivery", hold=False)
    await shop.control("release")
    await eventually(lambda: shop.refunded(page) == 499)
    assert shop.paid(resume_id) == []


async def test_buying_and_then_deleting_is_no_reason_to_give_back(shop: Shop) -> None:
    resume_id = shop.resume()
    page = await shop.single(shop.user(), resume_id)
    await shop.press(page)
    await eventually(lambda: shop.paid(resume_id) == [True])
    await shop.publish(ResumeDeleted(resume_id=resume_id, revision=1))
    await eventually(lambda: is_deleted(shop, resume_id))
    assert shop.refunded(page) == 0
    intent = shop.session_at(page).payment_intent
    assert isinstance(intent, PaymentIntent)
    assert shop.row("select key from stripe_calls where object_id = %s", intent.id) == {}


def is_deleted(shop: Shop, resume_id: int) -> bool:
    with psycopg.connect(shop.database_url) as connection:
        query = "select count(*) from resumes where id = %s and deleted_at is not null"
        return connection.execute(query, (resume_id,)).fetchone() == (1,)


async def test_erased_account_leaves_payments_without_a_name(shop: Shop) -> None:
    user_id, resume_id = shop.number(), shop.resume()
    user = shop.keys.user("payments", user_id)
    page = await shop.single(user, resume_id)
    await shop.press(page)
    await eventually(lambda: shop.paid(resume_id) == [True])
    open_page = await shop.single(user, shop.resume())
    await shop.publish(UserDeleted(user_id=user_id, revision=1))
    await eventually(lambda: shop.session_at(open_page).status == "expired")
    refused = await shop.checkout(user, payment_type="single", resume_id=shop.resume())
    assert (refused.status_code, refused.json()["code"]) == (401, "user_not_found")
    with psycopg.connect(shop.database_url, autocommit=True) as connection:
        query = (
            "select amount, status, payments.receipt_url, owners.user_id, owners.session_id from payments"
            " join owners on owners.id = owner_id where resume_id = %s"
        )
        assert connection.execute(query, (resume_id,)).fetchall() == [(499, "succeeded", None, None, None)]
        await shop.control("refund", charge=shop.charge_at(page).id, amount=100)
        await eventually(lambda: shop.payment_of(page)["amount_refunded"] == 100)
        assert connection.execute(query, (resume_id,)).fetchall() == [(499, "succeeded", None, None, None)]


async def test_stripe_forgets_an_erased_account(shop: Shop) -> None:
    """As the customer it is, and as the one it was before it logged in; subscriptions end, amounts stay."""
    user_id, session_id = shop.number(), secrets.token_urlsafe(24)
    user = shop.keys.user("payments", user_id)
    bought = await shop.buy(shop.session(session_id), shop.resume())
    subscription = await shop.subscribe(user)
    await eventually(lambda: shop.standing(user_id=user_id) is not None)
    claimed = await shop.post(f"/internal/sessions/{session_id}/claim/", {"user_id": user_id}, shop.service("auth"))
    assert claimed.status_code == 204
    customers = [str(bought.customer), str(subscription.customer)]
    assert len(set(customers)) == 2
    await shop.publish(UserDeleted(user_id=user_id, revision=1))

    def forgotten() -> bool:
        found = [shop.stripe.v1.customers.retrieve(customer) for customer in customers]
        return all(getattr(each, "deleted", False) for each in found)

    await eventually(forgotten)
    await eventually(lambda: shop.stripe.v1.subscriptions.retrieve(subscription.id).status == "canceled")
    kept = "select count(*) as kept from payments where stripe_payment_intent_id = %s and status = 'succeeded'"
    assert isinstance(bought.payment_intent, PaymentIntent)
    assert shop.row(kept, bought.payment_intent.id) == {"kept": 1}
    await eventually(shop.has_heard_all)
    stuck = "select key from stripe_calls where object_id = any(%s) and outcome = 'dead'"
    assert shop.row(stuck, [*customers, subscription.id]) == {}


async def test_who_pays_in_the_moment_of_being_erased_is_forgotten_too(shop: Shop) -> None:
    user_id, resume_id = shop.number(), shop.resume()
    page = await shop.single(shop.keys.user("payments", user_id), resume_id)
    await shop.control("delivery", hold=True)
    await shop.press(page)
    customer = str(shop.session_at(page).customer)
    await shop.publish(UserDeleted(user_id=user_id, revision=1))
    await eventually(lambda: shop.row("select id from owners where user_id = %s and ended_at is not null", user_id))
    await shop.control("delivery", hold=False)
    await shop.control("release")
    await eventually(lambda: getattr(shop.stripe.v1.customers.retrieve(customer), "deleted", False))


async def test_a_subscription_paid_in_the_moment_of_being_erased_is_given_back(shop: Shop) -> None:
    """Stripe ends it together with the customer whom it knows already, before we have heard of it."""
    user_id = shop.number()
    user = shop.keys.user("payments", user_id)
    customer = str((await shop.buy(user, shop.resume())).customer)
    await eventually(lambda: shop.row("select 1 as known from owners where customer_id = %s", customer))
    page = await shop.page(user, payment_type="monthly")
    await shop.control("delivery", hold=True)
    await shop.press(page)
    await shop.publish(UserDeleted(user_id=user_id, revision=1))
    await eventually(lambda: getattr(shop.stripe.v1.customers.retrieve(customer), "deleted", False))
    await shop.control("delivery", hold=False)
    await shop.control("release")
    subscription = shop.session_at(page).subscription
    assert isinstance(subscription, Subscription)
    [charge] = [each for each in shop.stripe.v1.charges.list({"customer": customer}).data if each.amount == 999]
    await eventually(lambda: shop.stripe.v1.charges.retrieve(charge.id).refunded)


@pytest.mark.parametrize("erased_first", [True, False])
async def test_session_of_an_erased_account_ends_with_it(shop: Shop, erased_first: bool) -> None:
    """Whichever of the two is heard of first: nobody is billed any more, and Stripe forgets the name."""
    session_id, user_id = secrets.token_urlsafe(24), shop.number()
    subscription = await shop.subscribe(shop.session(session_id))
    await eventually(lambda: shop.standing(session_id=session_id) is not None)
    open_page = await shop.single(shop.session(session_id), shop.resume())
    erased, claimed = (
        UserDeleted(user_id=user_id, revision=2),
        SessionClaimed(session_id=session_id, user_id=user_id, revision=1),
    )
    first, second = (erased, claimed) if erased_first else (claimed, erased)
    await shop.publish(first)
    ended = "select id from owners where (user_id = %s or session_id = %s) and ended_at is not null"
    await eventually(lambda: shop.row(ended, user_id, session_id))
    await shop.publish(second)
    await eventually(lambda: shop.stripe.v1.subscriptions.retrieve(subscription.id).status == "canceled")
    await eventually(lambda: shop.session_at(open_page).status == "expired")
    await eventually(lambda: getattr(shop.stripe.v1.customers.retrieve(str(subscription.customer)), "deleted", False))
    whose = (
        "select user_id, session_id from owners join subscriptions on owner_id = owners.id where subscriptions.id = %s"
    )
    assert shop.row(whose, subscription.id) == {"user_id": None, "session_id": None}
    answer = await shop.checkout(shop.session(session_id), payment_type="single", resume_id=shop.resume())
    assert answer.headers["X-Session-Start"] not in ("", session_id)
