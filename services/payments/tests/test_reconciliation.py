"""Reconciliation finds payments and subscriptions of which no webhook arrived."""

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
    """Keep Stripe from listing events that an earlier test kept from being delivered."""
    with closing(sqlite3.connect(sandbox_folder / "stripe.sqlite3")) as sandbox:
        sandbox.execute("update deliveries set state = 'delivered' where state in ('held', 'failed', 'dropped')")
        sandbox.commit()


async def reconciled(system: System, environment: Environment, done: Callable[[], object]) -> None:
    """Start another service, which reconciles at start, and wait until `done`."""
    settings = environment(DATABASE_URL=system.database_url, RESUMES_URL=system.resumes_url)
    async with serving(app, settings):
        await eventually(done)
        await eventually(system.all_webhooks_processed)  # a service that stops leaves the leases of unfinished jobs


def mark_known(system: System, object_id: str) -> None:
    """Mark the latest events of an object as known, so that reconciliation skips them."""
    for listed in system.stripe.v1.events.list({"limit": 10}).data:
        if getattr(listed.data.object, "id", None) == object_id:
            taken = "insert into stripe_events (id, type, outcome) values (%s, %s, 'done')"
            system.row(f"{taken} on conflict do nothing returning id", listed.id, listed.type)


async def test_undelivered_events_are_processed(system: System, environment: Environment) -> None:
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    await system.control("delivery", drop=["*"])
    await system.press(page)
    await reconciled(system, environment, lambda: system.published_paid(resume_id) == [True])


async def test_all_pages_of_undelivered_events_are_processed(
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


async def pay_without_webhooks(system: System) -> tuple[int, str]:
    """Return a paid resume, and the id of a newer event. Both events are undelivered."""
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
    """Give an event at Stripe another id meanwhile."""
    with closing(sqlite3.connect(sandbox_folder / "stripe.sqlite3")) as sandbox:

        def rename(before: str, after: str) -> None:
            rename_it = "update objects set id = :after, body = json_set(body, '$.id', :after) where id = :before"
            sandbox.execute(rename_it, {"before": before, "after": after})
            sandbox.execute("update deliveries set event = ? where event = ?", (after, before))
            sandbox.commit()

        rename(event_id, name)
        yield
        rename(name, event_id)


@pytest.mark.parametrize(("length", "is_kept"), [(101, True), (255, True), (256, False)])
async def test_ids_may_be_long(
    system: System, environment: Environment, sandbox_folder: Path, length: int, is_kept: bool
) -> None:
    """An id that is too long does not stop the other events."""
    resume_id, event_id = await pay_without_webhooks(system)
    name = event_id.ljust(length, "1")
    with renamed(sandbox_folder, event_id, name):
        await reconciled(system, environment, lambda: system.published_paid(resume_id) == [True])
    assert bool(system.stored_event(name)) == is_kept


async def test_event_that_cannot_be_stored_does_not_stop_the_others(system: System, environment: Environment) -> None:
    resume_id, event_id = await pay_without_webhooks(system)
    with psycopg.connect(system.database_url, autocommit=True) as connection:
        connection.execute(f"alter table stripe_events add constraint rejects_event check (id <> '{event_id}')")
        await reconciled(system, environment, lambda: system.published_paid(resume_id) == [True])
        connection.execute("alter table stripe_events drop constraint rejects_event")
    assert system.stored_event(event_id) == {}


async def test_expired_page_without_an_event_fails_its_payment(system: System, environment: Environment) -> None:
    user = system.new_user()
    page = await system.single_page(user, system.new_resume())
    await system.control("delivery", drop=["*"])
    session_id = system.session_at(page).id
    await system.control("expire", session=session_id)
    mark_known(system, session_id)
    system.row("update checkouts set expires_at = now() - interval '1 minute' where url = %s returning id", page)
    await reconciled(system, environment, lambda: system.payment_of(page)["status"] == "failed")


async def test_checkout_that_never_reached_stripe_fails(system: System, environment: Environment) -> None:
    user, resume_id = system.new_user(), system.new_resume()
    await system.control("fault", path="/v1/checkout/sessions", times=5, status=429)
    assert (await system.checkout(user, payment_type="single", resume_id=resume_id)).status_code == 503
    system.row("update checkouts set expires_at = now() where resume_id = %s returning id", resume_id)
    query = "select status from payments where resume_id = %s"
    await reconciled(system, environment, lambda: system.row(query, resume_id)["status"] == "failed")


@pytest.fixture
def unknown_to_stripe(system: System) -> Iterator[None]:
    """Store many overdue subscriptions that Stripe does not know."""
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
async def test_finished_events_are_purged_after_60_days(system: System, environment: Environment) -> None:
    """Stripe cannot send them again. Dead events stay."""
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


async def test_overdue_subscription_is_synchronized(system: System, environment: Environment) -> None:
    user_id = system.new_id()
    user = system.keys.user("payments", user_id)
    subscription = await system.subscribe(user)
    await eventually(lambda: system.summary(user_id=user_id) is not None)
    await eventually(system.all_webhooks_processed)
    await system.control("delivery", drop=["*"])
    await system.control("cancel", subscription=subscription.id)
    mark_known(system, subscription.id)
    system.row(OVERDUE, subscription.id)

    def is_told() -> bool:
        summary = system.summary(user_id=user_id)
        return summary is not None and summary.status == "canceled"

    await reconciled(system, environment, is_told)


@pytest.fixture
async def behind_an_invalid_one(system: System) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Return an overdue subscription and its owner's headers. Before it comes one whose owner has an invalid row."""
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


async def test_failed_object_does_not_stop_the_others(
    system: System, environment: Environment, behind_an_invalid_one: tuple[str, dict[str, str]]
) -> None:
    """Health reports the failure."""
    subscription_id, user = behind_an_invalid_one
    await system.control("delivery", drop=["*"])
    await system.control("cancel", subscription=subscription_id)
    mark_known(system, subscription_id)
    system.row(OVERDUE, subscription_id)

    async def is_canceled() -> bool:
        return await system.subscription_status(user) == "canceled"

    async with serving(app, environment(DATABASE_URL=system.database_url, RESUMES_URL=system.resumes_url)) as another:
        await eventually(is_canceled)

        async def is_said() -> bool:
            return "reconciliation failed: ValidationError" in (await another.get("/healthz")).text

        await eventually(is_said)
