"""What Stripe never told us is found out."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
from cv_payments.clients import stripe_api
from cv_payments.main import app
from cv_testing.serving import eventually, serving

from services.payments.tests.system import System

Environment = Callable[..., dict[str, str]]
OVERDUE = "update subscriptions set current_period_end = now() - interval '1 hour' where id = %s returning owner_id"


@pytest.fixture(autouse=True)
def no_undelivered_events(system: System, sandbox_folder: Path) -> None:
    """Stripe lists no event that an earlier test kept from being delivered."""
    with closing(sqlite3.connect(sandbox_folder / "stripe.sqlite3")) as sandbox:
        sandbox.execute("update deliveries set state = 'delivered' where state in ('held', 'failed', 'dropped')")
        sandbox.commit()


async def reconciled(system: System, environment: Environment, done: Callable[[], object]) -> None:
    """Start another process of the service, which reconciles as it starts, until `done`."""
    settings = environment(DATABASE_URL=system.database_url, RESUMES_URL=system.resumes_url)
    async with serving(app, settings):
        await eventually(done)


def never_told(system: System, object_id: str) -> None:
    """Nobody hears of an object's last event, not even who asks for events that were not delivered."""
    for told in system.stripe.v1.events.list({"limit": 10}).data:
        if getattr(told.data.object, "id", None) == object_id:
            taken = "insert into stripe_events (id, type, outcome) values (%s, %s, 'done')"
            system.row(f"{taken} on conflict do nothing returning id", told.id, told.type)


async def test_undelivered_events_are_fetched(system: System, environment: Environment) -> None:
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    await system.control("delivery", drop=["*"])
    await system.press(page)
    await reconciled(system, environment, lambda: system.published_paid(resume_id) == [True])


async def test_undelivered_events_are_fetched_to_the_last(
    system: System, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe lists events in pages, the newest first, and lists those that are stored already too."""
    subscription = await system.subscribe(system.new_user())
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    await system.control("delivery", drop=["*"])
    await system.press(page)
    monkeypatch.setattr(stripe_api, "EVENTS_PAGE", 10)
    for number in range(15):
        system.stripe.v1.subscriptions.update(subscription.id, {"metadata": {"number": str(number)}})
    await reconciled(system, environment, lambda: system.published_paid(resume_id) == [True])


async def unheard(system: System) -> tuple[int, str]:
    """A resume that was paid for, and the id of an event since then, which Stripe lists before: both untold."""
    subscription = await system.subscribe(system.new_user())
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    await eventually(system.all_webhooks_processed)
    await system.control("delivery", drop=["*"])
    await system.press(page)
    system.stripe.v1.subscriptions.update(subscription.id, {"metadata": {"number": "1"}})
    [newest] = system.stripe.v1.events.list({"limit": 1}).data
    assert newest.type == "customer.subscription.updated"
    return resume_id, newest.id


@contextmanager
def renamed(sandbox_folder: Path, event_id: str, name: str) -> Iterator[None]:
    """Stripe calls an event so."""
    with closing(sqlite3.connect(sandbox_folder / "stripe.sqlite3")) as stripe_s_own:

        def rename(before: str, after: str) -> None:
            rename_it = "update objects set id = :after, body = json_set(body, '$.id', :after) where id = :before"
            stripe_s_own.execute(rename_it, {"before": before, "after": after})
            stripe_s_own.execute("update deliveries set event = ? where event = ?", (after, before))
            stripe_s_own.commit()

        rename(event_id, name)
        yield
        rename(name, event_id)


@pytest.mark.parametrize(("length", "is_kept"), [(101, True), (255, True), (256, False)])
async def test_ids_may_be_long(
    system: System, environment: Environment, sandbox_folder: Path, length: int, is_kept: bool
) -> None:
    """One that is too long stands in the way of no other event."""
    resume_id, event_id = await unheard(system)
    name = event_id.ljust(length, "1")
    with renamed(sandbox_folder, event_id, name):
        await reconciled(system, environment, lambda: system.published_paid(resume_id) == [True])
    assert bool(system.stored_event(name)) == is_kept


async def test_an_event_that_cannot_be_kept_stands_in_the_way_of_no_other(
    system: System, environment: Environment
) -> None:
    resume_id, event_id = await unheard(system)
    with psycopg.connect(system.database_url, autocommit=True) as connection:
        connection.execute(f"alter table stripe_events add constraint full_for check (id <> '{event_id}')")
        await reconciled(system, environment, lambda: system.published_paid(resume_id) == [True])
        connection.execute("alter table stripe_events drop constraint full_for")
    assert system.stored_event(event_id) == {}


async def test_page_that_ended_unheard_is_a_failed_payment(system: System, environment: Environment) -> None:
    user = system.new_user()
    page = await system.single_page(user, system.new_resume())
    await system.control("delivery", drop=["*"])
    session_id = system.session_at(page).id
    await system.control("expire", session=session_id)
    never_told(system, session_id)
    system.row("update checkouts set expires_at = now() - interval '1 minute' where url = %s returning id", page)
    await reconciled(system, environment, lambda: system.payment_of(page)["status"] == "failed")


async def test_attempt_that_never_reached_stripe_is_given_up(system: System, environment: Environment) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    await system.control("fault", path="/v1/checkout/sessions", times=5, status=429)
    assert (await system.checkout(user, payment_type="single", resume_id=resume_id)).status_code == 503
    system.row("update checkouts set expires_at = now() where resume_id = %s returning id", resume_id)
    query = "select status from payments where resume_id = %s"
    await reconciled(system, environment, lambda: system.row(query, resume_id)["status"] == "failed")


@pytest.fixture
def unknown_to_stripe(system: System) -> Iterator[None]:
    """More subscriptions that are overdue, and cannot be looked at, than are looked through at once."""
    made = (
        "insert into subscriptions (id, owner_id, customer_id, item_id, price_id, subscription_type, stripe_status,"
        " current_period_end, created_at, updated_at)"
        " select 'sub_0_' || number, (select min(id) from owners), 'cus_0', 'si_0', 'price_0', 'monthly', 'active',"
        " now() - interval '1 year', now(), now() - interval '1 year' from generate_series(1, 105) as number"
        " returning id"
    )
    system.row(made)
    yield
    system.row("delete from subscriptions where id like 'sub_0_%%' returning id")


@pytest.mark.usefixtures("unknown_to_stripe")
async def test_finished_events_are_forgotten_in_the_end(system: System, environment: Environment) -> None:
    """Once Stripe cannot send them again. What somebody is to look at stays."""
    kept = {"evt_new": ("done", 59), "evt_dead": ("dead", 61)}
    with psycopg.connect(system.database_url, autocommit=True) as connection:
        for event_id, (outcome, days) in (kept | {"evt_old": ("done", 61), "evt_left": ("dismissed", 61)}).items():
            connection.execute(
                "insert into stripe_events (id, type, outcome, processed_at)"
                " values (%s, 'x', %s, now() - make_interval(days => %s))",
                (event_id, outcome, days),
            )

        def left() -> set[str]:
            ours = ["evt_new", "evt_dead", "evt_old", "evt_left"]
            found = connection.execute("select id from stripe_events where id = any(%s)", (ours,)).fetchall()
            return {event_id for (event_id,) in found}

        await reconciled(system, environment, lambda: left() == set(kept))
        connection.execute("delete from stripe_events where id = any(%s)", (list(kept),))


async def test_period_that_is_over_is_looked_at(system: System, environment: Environment) -> None:
    user_id = system.new_id()
    user = system.keys.user("payments", user_id)
    subscription = await system.subscribe(user)
    await eventually(lambda: system.summary(user_id=user_id) is not None)
    await eventually(system.all_webhooks_processed)
    await system.control("delivery", drop=["*"])
    await system.control("cancel", subscription=subscription.id)
    never_told(system, subscription.id)
    system.row(OVERDUE, subscription.id)

    def is_told() -> bool:
        told = system.summary(user_id=user_id)
        return told is not None and told.status == "canceled"

    await reconciled(system, environment, is_told)


@pytest.fixture
async def behind_a_broken_one(system: System) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """An overdue subscription, and its owner's headers, that is looked at after one whose owner cannot be read."""
    users = [system.new_user(), system.new_user()]
    bought = {(await system.subscribe(user)).id: user for user in users}
    for user in users:
        await eventually(partial(system.subscription_status, user))
    await eventually(system.all_webhooks_processed)
    broken, other = sorted(bought)
    owner_id = system.row(OVERDUE, broken)["owner_id"]
    tell = "update owners set told = %s where id = %s returning id"
    system.row(tell, '{"status": 7}', owner_id)
    yield other, bought[other]
    system.row(tell, None, owner_id)


async def test_one_that_fails_stands_in_the_way_of_no_other(
    system: System, environment: Environment, behind_a_broken_one: tuple[str, dict[str, str]]
) -> None:
    """Health says that there was one."""
    subscription_id, user = behind_a_broken_one
    await system.control("delivery", drop=["*"])
    await system.control("cancel", subscription=subscription_id)
    never_told(system, subscription_id)
    system.row(OVERDUE, subscription_id)

    async def is_canceled() -> bool:
        return await system.subscription_status(user) == "canceled"

    async with serving(app, environment(DATABASE_URL=system.database_url, RESUMES_URL=system.resumes_url)) as another:
        await eventually(is_canceled)

        async def is_said() -> bool:
            return "reconciliation failed: ValidationError" in (await another.get("/healthz")).text

        await eventually(is_said)
