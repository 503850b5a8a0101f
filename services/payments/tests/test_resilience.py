"""Whatever happens between Stripe and us: every order, duplicates, a thousand at once, processes that die."""

import asyncio
import json
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from cv_testing.postgres import Postgres
from cv_testing.serving import eventually

from services.payments.tests.replica import Replica
from services.payments.tests.shop import Shop, event


async def unheard_events(shop: Shop, customer: str) -> list[dict[str, Any]]:
    """All events about a customer's objects, as they would be delivered."""
    found = shop.stripe.v1.events.list({"limit": 100}).data
    told = [each.to_dict(for_json=True) for each in found]
    return [each for each in told if each["data"]["object"].get("customer") == customer]


async def deliver_in_disorder(shop: Shop, events: list[dict[str, Any]], seed: int) -> None:
    """Each event once or twice, in any order, some at the same moment."""
    chance = random.Random(seed)  # noqa: S311  # disorder that can be repeated, no secret
    pile = [each for each in events for _ in range(chance.randint(1, 2))]
    chance.shuffle(pile)
    while pile:
        handful = [pile.pop() for _ in range(min(len(pile), chance.randint(1, 6)))]
        answers_ = await asyncio.gather(*(shop.deliver(each) for each in handful))
        assert {answer.status_code for answer in answers_} == {200}


@pytest.mark.parametrize("seed", range(4))
async def test_a_subscription_s_life_in_any_order(shop: Shop, seed: int) -> None:
    user_id = shop.number()
    user = shop.keys.user("payments", user_id)
    await shop.control("delivery", drop=["*"])
    subscription = await shop.subscribe(user)
    customer = str(subscription.customer)
    await shop.control("card", customer=customer, card="0341")
    await shop.control("renew", subscription=subscription.id)
    await shop.control("card", customer=customer, card="4242")
    await shop.control("retry", subscription=subscription.id)
    [yearly] = shop.stripe.v1.prices.list({"lookup_keys": ["cv_yearly"], "active": True}).data
    item = shop.stripe.v1.subscriptions.retrieve(subscription.id)["items"]["data"][0]
    shop.stripe.v1.subscriptions.update(subscription.id, {"items": [{"id": item.id, "price": yearly.id}]})
    if seed % 2:
        shop.stripe.v1.subscriptions.cancel(subscription.id)
    await deliver_in_disorder(shop, await unheard_events(shop, customer), seed)
    expected = ("canceled", None) if seed % 2 else ("active", "yearly")

    def is_so() -> bool:
        told = shop.standing(user_id=user_id)
        return told is not None and (told.status, told.subscription_type) == expected

    await eventually(is_so)
    invoices = shop.stripe.v1.invoices.list({"customer": customer, "status": "paid", "limit": 100}).data
    paid = [invoice.amount_paid for invoice in invoices if invoice.amount_paid]
    mine = await shop.mine("", user)
    assert [payment["status"] for payment in mine] == ["succeeded"] * len(paid)
    assert sorted(payment["amount"] for payment in mine) == sorted(f"{cents / 100:.2f}" for cents in paid)


@pytest.mark.parametrize("seed", range(4))
async def test_a_payment_s_life_in_any_order(shop: Shop, seed: int) -> None:
    user, resume_id = shop.user(), shop.resume()
    await shop.control("delivery", drop=["*"])
    page = await shop.single(user, resume_id)
    await shop.press(page)
    session = shop.session_at(page)
    charge = shop.stripe.v1.charges.list({"customer": str(session.customer)}).data[0].id
    await shop.control("refund", charge=charge, amount=100)
    dispute = await shop.control("dispute", charge=charge)
    await shop.control("move-dispute", dispute=dispute["id"], status="won")
    if seed % 2:
        await shop.control("refund", charge=charge)
    events = [
        event("checkout.session.completed", session.id),
        event("charge.refunded", charge),
        event("charge.dispute.created", dispute["id"]),
        event("charge.dispute.closed", dispute["id"]),
    ]
    await deliver_in_disorder(shop, events, seed)
    [payment] = await shop.mine("", user)
    refunded = ("refunded", "4.99") if seed % 2 else ("succeeded", "1.00")
    assert (payment["status"], payment["amount_refunded"]) == refunded
    if seed % 2:  # nothing is left of it, so another payment is news, and the first that anybody hears
        await shop.control("delivery", drop=[])
        await shop.buy(shop.user(), resume_id)
    await eventually(lambda: shop.paid(resume_id) == [True])


async def test_webhook_without_a_database_is_sent_again(shop: Shop, postgres: Postgres) -> None:
    user, resume_id = shop.user(), shop.resume()
    page = await shop.single(user, resume_id)
    await shop.control("delivery", drop=["*"])
    await shop.press(page)
    told = event("checkout.session.completed", shop.session_at(page).id)
    with postgres.outage(shop.database_url):
        answered = await asyncio.gather(
            shop.deliver(told), shop.payments.get("/readyz"), shop.checkout(user, payment_type="monthly")
        )
        assert [answer.status_code for answer in answered] == [503, 503, 503]

    async def arrives() -> bool:
        return (await shop.deliver(told)).status_code == 200

    await eventually(arrives)
    await eventually(lambda: shop.paid(resume_id) == [True])


@pytest.fixture
def many_files() -> Iterator[None]:
    """A thousand connections need as many open files, here and in the processes started here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard < 4096 else max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_webhooks_at_once(shop: Shop, replica: Replica) -> None:
    """Each is kept and answered; a few are acted on meanwhile, the others soon after, once each.

    A machine too busy to keep them all in 20 seconds says so of some, and those come again, as Stripe sends them.
    """
    await shop.control("delivery", drop=["*"])
    bought: dict[int, str] = {}
    for _ in range(20):
        resume_id = shop.resume()
        page = await shop.single(shop.user(), resume_id)
        await shop.press(page)
        bought[resume_id] = shop.session_at(page).id
    events = [event("checkout.session.completed", session_id) for session_id in bought.values() for _ in range(5)]
    coming = [json.dumps(each).encode() for each in events * 10]
    while coming:
        statuses = await replica.flooded([shop.webhook(body) for body in coming])
        assert set(statuses) <= {200, 503}
        assert 200 in statuses
        coming = [body for body, status in zip(coming, statuses, strict=True) if status == 503]
    await eventually(lambda: all(shop.paid(resume_id) == [True] for resume_id in bought))
    ids = [each["id"] for each in events]
    query = "select count(*) as done from stripe_events where id = any(%s) and outcome = 'done'"
    await eventually(lambda: shop.row(query, ids)["done"] == len(ids))


@pytest.mark.parametrize("replica", [{"DATABASE_POOL_SIZE": "4"}], indirect=True)
async def test_slow_stripe_leaves_connections_for_others(shop: Shop, replica: Replica) -> None:
    await shop.control("delivery", drop=["*"])
    pages = [await shop.single(shop.user(), shop.resume()) for _ in range(6)]
    for page in pages:
        await shop.press(page)
    events = [event("checkout.session.completed", shop.session_at(page).id) for page in pages]
    await shop.control("fault", method="GET", path="/v1/checkout/sessions", times=20, delay=5.5)
    sending = [asyncio.create_task(shop.deliver(each, to=replica.client)) for each in events]
    await eventually(lambda: bool(shop.row(WAITING["for Stripe"])))
    answer = await replica.client.get("/api/payments/", headers=shop.user())
    assert (answer.status_code, {each.status_code for each in await asyncio.gather(*sending)}) == (200, {200})


@contextmanager
def held(shop: Shop, statement: str) -> Iterator[None]:
    """Locks of the test's own, in the way of the service."""
    with psycopg.connect(shop.database_url) as connection:
        connection.execute(statement.encode())
        yield
        connection.rollback()


STEPS = {
    "before the event is kept": "lock table stripe_events in share mode",
    "before the event is taken": "select pg_advisory_xact_lock(hashtextextended('take:{event}', 0))",
    "before Stripe is asked": "select pg_advisory_xact_lock(hashtextextended('stripe:{session}', 0))",
    "while Stripe is asked": "select 1",
    "before anything is written": "select 1 from owners where id = {owner} for update",
    "before the resume is settled": "select 1 from resumes where id = {resume} for update",
    "before the others are told": "lock table outbox in share mode",
}


GATES = """
    create or replace function wait_at_gate() returns trigger language plpgsql as $$
    begin
        perform pg_advisory_xact_lock_shared(hashtextextended(tg_argv[0] || ':' || new.id, 0));
        return new;
    end $$;
    create trigger gate_of_taking before update on stripe_events
        for each row when (old.attempts = 0 and new.attempts = 1) execute function wait_at_gate('take');
    create constraint trigger gate_of_commit after update on stripe_events deferrable initially deferred
        for each row when (new.outcome = 'done') execute function wait_at_gate('commit');
"""


@pytest.fixture
def gates(shop: Shop) -> Iterator[None]:
    """Places at which a test can hold an event, beside those where the service takes locks of its own."""
    with psycopg.connect(shop.database_url, autocommit=True) as connection:
        connection.execute(GATES)
        yield
        connection.execute("drop trigger gate_of_taking on stripe_events")
        connection.execute("drop trigger gate_of_commit on stripe_events")


@pytest.mark.usefixtures("gates")
@pytest.mark.parametrize("step", STEPS)
async def test_killed_in_the_middle(shop: Shop, replica: Replica, step: str) -> None:
    """What the dead process had begun has no effect; what it had kept is finished by another."""
    user, resume_id = shop.user(), shop.resume()
    page = await shop.single(user, resume_id)
    await shop.control("delivery", drop=["*"])
    await shop.press(page)
    session_id = shop.session_at(page).id
    shop.row("insert into resumes (id) values (%s) returning id", resume_id)
    owner = shop.payment_of(page)["owner_id"]
    if step == "while Stripe is asked":
        await shop.control("fault", method="GET", path="/v1/checkout/sessions", times=5, delay=10)
    told = event("checkout.session.completed", session_id)
    with held(shop, STEPS[step].format(event=told["id"], session=session_id, owner=owner, resume=resume_id)):
        sending = asyncio.create_task(shop.deliver(told, to=replica.client))
        await eventually(lambda: is_stuck(shop, told["id"], step))
        replica.kill()
        with pytest.raises(httpx.TransportError):
            await sending
        assert shop.paid(resume_id) == []
    await shop.control("clear-faults")
    shop.row("update stripe_events set leased_until = now() where id = %s returning id", told["id"])
    if not shop.stored(told["id"]):
        assert (await shop.deliver(told)).status_code == 200
    await eventually(lambda: shop.paid(resume_id) == [True])
    assert shop.stored(told["id"])["outcome"] == "done"


@pytest.mark.usefixtures("gates")
async def test_killed_between_commit_and_answer(shop: Shop, replica: Replica) -> None:
    """All has happened and Stripe does not know: it sends the event again, and nothing happens twice."""
    resume_id = shop.resume()
    page = await shop.single(shop.user(), resume_id)
    await shop.control("delivery", drop=["*"])
    await shop.press(page)
    told = event("checkout.session.completed", shop.session_at(page).id)
    with held(shop, f"select pg_advisory_xact_lock(hashtextextended('commit:{told['id']}', 0))"):
        sending = asyncio.create_task(shop.deliver(told, to=replica.client))
        await eventually(lambda: is_stuck(shop, told["id"], "before the commit"))
        replica.stop()
    await eventually(lambda: shop.stored(told["id"])["outcome"] == "done")
    replica.kill()
    with pytest.raises(httpx.TransportError):
        await sending
    await eventually(lambda: shop.paid(resume_id) == [True])
    assert (await shop.deliver(told)).status_code == 200
    assert (shop.stored(told["id"])["attempts"], shop.refunded(page)) == (1, 0)
    assert shop.paid(resume_id) == [True]


WAITING = {
    "for a lock": "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    "for Stripe": "select 1 from pg_stat_activity where datname = current_database()"
    " and state = 'idle in transaction' and query like '%%advisory%%'",
}


def is_stuck(shop: Shop, event_id: str, step: str) -> bool:
    """The replica has come as far as it can."""
    waiting = "for Stripe" if step == "while Stripe is asked" else "for a lock"
    come = step == "before the event is kept" or bool(shop.stored(event_id))
    return come and bool(shop.row(WAITING[waiting]))


async def test_a_lease_ends(shop: Shop) -> None:
    """Nobody cleans up after a process that died: its work is taken over by itself."""
    resume_id = shop.resume()
    page = await shop.single(shop.user(), resume_id)
    await shop.control("delivery", drop=["*"])
    await shop.press(page)
    told = event("checkout.session.completed", shop.session_at(page).id)
    shop.row(
        "insert into stripe_events (id, type, object_id, attempts, leased_until)"
        " values (%s, %s, %s, 1, now() + interval '1 hour') returning id",
        told["id"], told["type"], told["data"]["object"]["id"],
    )  # fmt: skip
    assert (await shop.deliver(told)).status_code == 200
    assert shop.stored(told["id"])["outcome"] is None
    shop.row("update stripe_events set leased_until = now() where id = %s returning id", told["id"])
    await eventually(lambda: shop.paid(resume_id) == [True])


async def test_killed_while_a_page_is_opened(shop: Shop, replica: Replica) -> None:
    """The attempt's row was committed before: asking again opens the page that Stripe has already."""
    user, resume_id = shop.user(), shop.resume()
    await shop.control("fault", path="/v1/checkout/sessions", delay_after=3)
    wish: dict[str, Any] = {"payment_type": "single", "resume_id": resume_id}
    asking = asyncio.create_task(shop.checkout(user, to=replica.client, **wish))
    await eventually(lambda: any(each.client_reference_id == attempt(shop, resume_id) for each in sessions(shop)))
    replica.kill()
    with pytest.raises(httpx.TransportError):
        await asking
    shop.row("update checkouts set opening_until = now() where resume_id = %s returning id", resume_id)
    page = await shop.single_at_last(user, resume_id)
    assert [each.url for each in sessions(shop) if each.client_reference_id == attempt(shop, resume_id)] == [page]


def sessions(shop: Shop) -> list[Any]:
    return shop.stripe.v1.checkout.sessions.list({"limit": 20}).data


def attempt(shop: Shop, resume_id: int) -> str:
    return str(shop.row("select id from checkouts where resume_id = %s", resume_id).get("id"))
