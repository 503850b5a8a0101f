"""Events in any order, duplicates, bursts, outages, and killed processes."""

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
from cv_payments.main import app
from cv_testing.postgres import Postgres
from cv_testing.serving import eventually, serving

from services.payments.tests.conftest import Environment
from services.payments.tests.replica import Replica
from services.payments.tests.system import System, event

SEEDS = [0, 1, *(pytest.param(seed, marks=pytest.mark.operations) for seed in (2, 3))]


async def events_of_customer(system: System, customer: str) -> list[dict[str, Any]]:
    """Return all events about a customer's objects."""
    found = system.stripe.v1.events.list({"limit": 100}).data
    listed = [each.to_dict(for_json=True) for each in found]
    return [each for each in listed if each["data"]["object"].get("customer") == customer]


async def deliver_shuffled(system: System, events: list[dict[str, Any]], seed: int) -> None:
    """Deliver each event once or twice, in random order, some at once."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    pile = [each for each in events for _ in range(chance.randint(1, 2))]
    chance.shuffle(pile)
    while pile:
        handful = [pile.pop() for _ in range(min(len(pile), chance.randint(1, 6)))]
        answers_ = await asyncio.gather(*(system.deliver(each) for each in handful))
        assert {answer.status_code for answer in answers_} == {200}


@pytest.mark.parametrize("seed", SEEDS)
async def test_events_of_a_subscription_in_random_order(system: System, seed: int) -> None:
    user_id = system.new_id()
    user = system.keys.user("payments", user_id)
    await system.control("delivery", drop=["*"])
    subscription = await system.subscribe(user)
    customer = str(subscription.customer)
    await system.control("card", customer=customer, card="0341")
    await system.control("renew", subscription=subscription.id)
    await system.control("card", customer=customer, card="4242")
    await system.control("retry", subscription=subscription.id)
    [yearly] = system.stripe.v1.prices.list({"lookup_keys": ["cv_yearly"], "active": True}).data
    item = system.stripe.v1.subscriptions.retrieve(subscription.id)["items"]["data"][0]
    system.stripe.v1.subscriptions.update(subscription.id, {"items": [{"id": item.id, "price": yearly.id}]})
    if seed % 2:
        system.stripe.v1.subscriptions.cancel(subscription.id)
    await deliver_shuffled(system, await events_of_customer(system, customer), seed)
    expected = ("canceled", None) if seed % 2 else ("active", "yearly")

    def is_so() -> bool:
        summary = system.summary(user_id=user_id)
        return summary is not None and (summary.status, summary.subscription_type) == expected

    await eventually(is_so)
    invoices = system.stripe.v1.invoices.list({"customer": customer, "status": "paid", "limit": 100}).data
    paid = [invoice.amount_paid for invoice in invoices if invoice.amount_paid]
    mine = await system.get("", user)
    assert [payment["status"] for payment in mine] == ["succeeded"] * len(paid)
    assert sorted(payment["amount"] for payment in mine) == sorted(f"{cents / 100:.2f}" for cents in paid)


@pytest.mark.parametrize("seed", SEEDS)
async def test_events_of_a_payment_in_random_order(system: System, seed: int) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    await system.control("delivery", drop=["*"])
    page = await system.single_page(user, resume_id)
    await system.press(page)
    session = system.session_at(page)
    charge = system.stripe.v1.charges.list({"customer": str(session.customer)}).data[0].id
    await system.control("refund", charge=charge, amount=100)
    dispute = await system.control("dispute", charge=charge)
    await system.control("move-dispute", dispute=dispute["id"], status="won")
    if seed % 2:
        await system.control("refund", charge=charge)
    events = [
        event("checkout.session.completed", session.id),
        event("charge.refunded", charge),
        event("charge.dispute.created", dispute["id"]),
        event("charge.dispute.closed", dispute["id"]),
    ]
    await deliver_shuffled(system, events, seed)
    [payment] = await system.get("", user)
    refunded = ("refunded", "4.99") if seed % 2 else ("succeeded", "1.00")
    assert (payment["status"], payment["amount_refunded"]) == refunded
    if seed % 2:  # nothing is left of it, so another payment is news, and the first that anybody hears
        await system.control("delivery", drop=[])
        await system.buy(system.new_user(), resume_id)
    await eventually(lambda: system.published_paid(resume_id) == [True])


async def test_webhook_during_a_database_outage_is_503(system: System, postgres: Postgres) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    page = await system.single_page(user, resume_id)
    await system.control("delivery", drop=["*"])
    await system.press(page)
    stripe_event = event("checkout.session.completed", system.session_at(page).id)
    system.close()  # the outage ends all connections
    with postgres.outage(system.database_url):
        answered = await asyncio.gather(
            system.deliver(stripe_event), system.payments.get("/readyz"), system.checkout(user, payment_type="monthly")
        )
        assert [answer.status_code for answer in answered] == [503, 503, 503]

    async def arrives() -> bool:
        return (await system.deliver(stripe_event)).status_code == 200

    await eventually(arrives)
    await eventually(lambda: system.published_paid(resume_id) == [True])


@pytest.fixture
def many_files() -> Iterator[None]:
    """Raise the limit of open files: a thousand connections need as many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard < 4096 else max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.operations
@pytest.mark.usefixtures("many_files")
async def test_a_thousand_webhooks_at_once(system: System, replica: Replica) -> None:
    """All are stored, answered and processed once.

    A busy machine may answer 503 to some; the test sends those again, as Stripe does.
    """
    await system.control("delivery", drop=["*"])
    bought: dict[int, str] = {}
    for _ in range(20):
        resume_id = system.new_resume()
        page = await system.single_page(system.new_user(), resume_id)
        await system.press(page)
        bought[resume_id] = system.session_at(page).id
    events = [event("checkout.session.completed", session_id) for session_id in bought.values() for _ in range(5)]
    coming = [json.dumps(each).encode() for each in events * 10]
    while coming:
        statuses = await replica.send_at_once([system.signed_webhook(body) for body in coming])
        assert set(statuses) <= {200, 503}
        assert 200 in statuses
        coming = [body for body, status in zip(coming, statuses, strict=True) if status == 503]
    await eventually(lambda: all(system.published_paid(resume_id) == [True] for resume_id in bought))
    ids = [each["id"] for each in events]
    query = "select count(*) as done from stripe_events where id = any(%s) and outcome = 'done'"
    await eventually(lambda: system.row(query, ids)["done"] == len(ids))


async def test_slow_stripe_does_not_use_up_database_connections(system: System, environment: Environment) -> None:
    await system.control("delivery", drop=["*"])
    pages = [await system.single_page(system.new_user(), system.new_resume()) for _ in range(6)]
    for page in pages:
        await system.press(page)
    events = [event("checkout.session.completed", system.session_at(page).id) for page in pages]
    await system.control("fault", method="GET", path="/v1/checkout/sessions", times=20, delay=2)
    settings = environment(DATABASE_URL=system.database_url, RESUMES_URL=system.resumes_url, DATABASE_POOL_SIZE="4")
    async with serving(app, settings) as small:
        sending = [asyncio.create_task(system.deliver(each, to=small)) for each in events]
        await eventually(lambda: bool(system.row(WAITING["for Stripe"])))
        answer = await small.get("/api/payments/", headers=system.new_user())
        assert (answer.status_code, {each.status_code for each in await asyncio.gather(*sending)}) == (200, {200})


@contextmanager
def held(system: System, statement: str) -> Iterator[None]:
    """Hold locks that the service needs."""
    with psycopg.connect(system.database_url) as connection:
        connection.execute(statement.encode())
        yield
        connection.rollback()


STEPS = {
    "before the event is stored": "lock table stripe_events in share mode",
    "before the event is leased": "select pg_advisory_xact_lock(hashtextextended('take:{event}', 0))",
    "before Stripe is asked": "select pg_advisory_xact_lock(hashtextextended('stripe:{session}', 0))",
    "while Stripe is asked": "select 1",
    "before anything is written": "select 1 from owners where id = {owner} for update",
    "before the resume is settled": "select 1 from resumes where id = {resume} for update",
    "before the event is recorded": "lock table outbox in share mode",
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
def gates(system: System) -> Iterator[None]:
    """Create triggers at which a test can hold an event, in addition to the locks of the service."""
    with psycopg.connect(system.database_url, autocommit=True) as connection:
        connection.execute(GATES)
        yield
        connection.execute("drop trigger gate_of_taking on stripe_events")
        connection.execute("drop trigger gate_of_commit on stripe_events")


@pytest.mark.usefixtures("gates")
@pytest.mark.parametrize(
    "step",
    [
        "while Stripe is asked",
        *(pytest.param(step, marks=pytest.mark.operations) for step in STEPS if step != "while Stripe is asked"),
    ],
)
async def test_event_survives_a_kill_at_any_step(system: System, replica: Replica, step: str) -> None:
    """An unfinished transaction has no effect; another process finishes a stored event."""
    user, resume_id = system.new_user(), system.new_resume()
    page = await system.single_page(user, resume_id)
    await system.control("delivery", drop=["*"])
    await system.press(page)
    session_id = system.session_at(page).id
    system.row("insert into resumes (id) values (%s) returning id", resume_id)
    owner = system.payment_of(page)["owner_id"]
    if step == "while Stripe is asked":
        await system.control("fault", method="GET", path="/v1/checkout/sessions", times=5, delay=10)
    stripe_event = event("checkout.session.completed", session_id)
    with held(system, STEPS[step].format(event=stripe_event["id"], session=session_id, owner=owner, resume=resume_id)):
        sending = asyncio.create_task(system.deliver(stripe_event, to=replica.client))
        await eventually(lambda: is_stuck(system, stripe_event["id"], step))
        replica.kill()
        with pytest.raises(httpx.TransportError):
            await sending
        assert system.published_paid(resume_id) == []
    await system.control("clear-faults")
    system.row("update stripe_events set leased_until = now() where id = %s returning id", stripe_event["id"])
    if not system.stored_event(stripe_event["id"]):
        assert (await system.deliver(stripe_event)).status_code == 200
    await eventually(lambda: system.published_paid(resume_id) == [True])
    assert system.stored_event(stripe_event["id"])["outcome"] == "done"


@pytest.mark.usefixtures("gates")
async def test_kill_between_commit_and_response_has_no_second_effect(system: System, replica: Replica) -> None:
    """Stripe gets no response and sends the event again."""
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    await system.control("delivery", drop=["*"])
    await system.press(page)
    stripe_event = event("checkout.session.completed", system.session_at(page).id)
    with held(system, f"select pg_advisory_xact_lock(hashtextextended('commit:{stripe_event['id']}', 0))"):
        sending = asyncio.create_task(system.deliver(stripe_event, to=replica.client))
        await eventually(lambda: is_stuck(system, stripe_event["id"], "before the commit"))
        replica.stop()
    await eventually(lambda: system.stored_event(stripe_event["id"])["outcome"] == "done")
    replica.kill()
    with pytest.raises(httpx.TransportError):
        await sending
    await eventually(lambda: system.published_paid(resume_id) == [True])
    assert (await system.deliver(stripe_event)).status_code == 200
    assert (system.stored_event(stripe_event["id"])["attempts"], system.refunded_amount(page)) == (1, 0)
    assert system.published_paid(resume_id) == [True]


WAITING = {
    "for a lock": "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    "for Stripe": "select 1 from pg_stat_activity where datname = current_database()"
    " and state = 'idle in transaction' and query like '%%advisory%%'",
}


def is_stuck(system: System, event_id: str, step: str) -> bool:
    """Return whether the replica waits at the step."""
    waiting = "for Stripe" if step == "while Stripe is asked" else "for a lock"
    come = step == "before the event is stored" or bool(system.stored_event(event_id))
    return come and bool(system.row(WAITING[waiting]))


async def test_expired_lease_is_taken_over(system: System) -> None:
    """The lease of a dead process expires without any cleanup."""
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    await system.control("delivery", drop=["*"])
    await system.press(page)
    stripe_event = event("checkout.session.completed", system.session_at(page).id)
    system.row(
        "insert into stripe_events (id, type, object_id, attempts, leased_until)"
        " values (%s, %s, %s, 1, now() + interval '1 hour') returning id",
        stripe_event["id"], stripe_event["type"], stripe_event["data"]["object"]["id"],
    )  # fmt: skip
    assert (await system.deliver(stripe_event)).status_code == 200
    assert system.stored_event(stripe_event["id"])["outcome"] is None
    system.row("update stripe_events set leased_until = now() where id = %s returning id", stripe_event["id"])
    await eventually(lambda: system.published_paid(resume_id) == [True])


async def test_kill_while_a_page_is_opened_loses_no_page(system: System, replica: Replica) -> None:
    """The checkout was committed before: a second request opens the same page at Stripe."""
    user, resume_id = system.new_user(), system.new_resume()
    await system.control("fault", path="/v1/checkout/sessions", delay_after=3)
    requested: dict[str, Any] = {"payment_type": "single", "resume_id": resume_id}
    asking = asyncio.create_task(system.checkout(user, to=replica.client, **requested))
    await eventually(
        lambda: any(each.client_reference_id == checkout_id(system, resume_id) for each in sessions(system))
    )
    replica.kill()
    with pytest.raises(httpx.TransportError):
        await asking
    system.row("update checkouts set opening_until = now() where resume_id = %s returning id", resume_id)
    page = await system.single_page_eventually(user, resume_id)
    assert [each.url for each in sessions(system) if each.client_reference_id == checkout_id(system, resume_id)] == [
        page
    ]


def sessions(system: System) -> list[Any]:
    return system.stripe.v1.checkout.sessions.list({"limit": 20}).data


def checkout_id(system: System, resume_id: int) -> str:
    return str(system.row("select id from checkouts where resume_id = %s", resume_id).get("id"))
