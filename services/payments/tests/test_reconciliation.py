"""What Stripe never told us is found out."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
from cv_payments.main import app
from cv_testing.serving import eventually, serving

from services.payments.tests.shop import Shop

Environment = Callable[..., dict[str, str]]
OVERDUE = "update subscriptions set current_period_end = now() - interval '1 hour' where id = %s returning owner_id"


@pytest.fixture(autouse=True)
def others_left_nothing(shop: Shop) -> None:
    """What other tests have kept from being delivered is not there to be fetched."""
    undelivered = shop.stripe.v1.events.list({"limit": 100, "delivery_success": False}).auto_paging_iter()
    taken = "insert into stripe_events (id, type, outcome) values (%s, %s, 'done') on conflict do nothing"
    with psycopg.connect(shop.database_url) as connection, connection.cursor() as cursor:
        cursor.executemany(taken, [(told.id, told.type) for told in undelivered])


async def reconciled(shop: Shop, environment: Environment, done: Callable[[], object]) -> None:
    """Start another process of the service, which reconciles as it starts, until `done`."""
    settings = environment(DATABASE_URL=shop.database_url, RESUMES_URL=shop.resumes_url)
    async with serving(app, settings):
        await eventually(done)


def never_told(shop: Shop, object_id: str) -> None:
    """Nobody hears of an object's last event, not even who asks for events that were not delivered."""
    for told in shop.stripe.v1.events.list({"limit": 10}).data:
        if getattr(told.data.object, "id", None) == object_id:
            taken = "insert into stripe_events (id, type, outcome) values (%s, %s, 'done')"
            shop.row(f"{taken} on conflict do nothing returning id", told.id, told.type)


async def test_undelivered_events_are_fetched(shop: Shop, environment: Environment) -> None:
    resume_id = shop.resume()
    page = await shop.single(shop.user(), resume_id)
    await shop.control("delivery", drop=["*"])
    await shop.press(page)
    await reconciled(shop, environment, lambda: shop.paid(resume_id) == [True])


async def test_undelivered_events_are_fetched_to_the_last(shop: Shop, environment: Environment) -> None:
    """Stripe lists a hundred at a time, the newest first, and those that were fetched before as well."""
    subscription = await shop.subscribe(shop.user())
    resume_id = shop.resume()
    page = await shop.single(shop.user(), resume_id)
    await shop.control("delivery", drop=["*"])
    await shop.press(page)
    for number in range(105):
        shop.stripe.v1.subscriptions.update(subscription.id, {"metadata": {"number": str(number)}})
    await reconciled(shop, environment, lambda: shop.paid(resume_id) == [True])


async def unheard(shop: Shop) -> tuple[int, str]:
    """A resume that was paid for, and the id of an event since then, which Stripe lists before: both untold."""
    subscription = await shop.subscribe(shop.user())
    resume_id = shop.resume()
    page = await shop.single(shop.user(), resume_id)
    await eventually(shop.has_heard_all)
    await shop.control("delivery", drop=["*"])
    await shop.press(page)
    shop.stripe.v1.subscriptions.update(subscription.id, {"metadata": {"number": "1"}})
    [newest] = shop.stripe.v1.events.list({"limit": 1}).data
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
    shop: Shop, environment: Environment, sandbox_folder: Path, length: int, is_kept: bool
) -> None:
    """One that is too long stands in the way of no other event."""
    resume_id, event_id = await unheard(shop)
    name = event_id.ljust(length, "1")
    with renamed(sandbox_folder, event_id, name):
        await reconciled(shop, environment, lambda: shop.paid(resume_id) == [True])
    assert bool(shop.stored(name)) == is_kept


async def test_an_event_that_cannot_be_kept_stands_in_the_way_of_no_other(shop: Shop, environment: Environment) -> None:
    resume_id, event_id = await unheard(shop)
    with psycopg.connect(shop.database_url, autocommit=True) as connection:
        connection.execute(f"alter table stripe_events add constraint full_for check (id <> '{event_id}')")
        await reconciled(shop, environment, lambda: shop.paid(resume_id) == [True])
        connection.execute("alter table stripe_events drop constraint full_for")
    assert shop.stored(event_id) == {}


async def test_page_that_ended_unheard_is_a_failed_payment(shop: Shop, environment: Environment) -> None:
    user = shop.user()
    page = await shop.single(user, shop.resume())
    await shop.control("delivery", drop=["*"])
    session_id = shop.session_at(page).id
    await shop.control("expire", session=session_id)
    never_told(shop, session_id)
    shop.row("update checkouts set expires_at = now() - interval '1 minute' where url = %s returning id", page)
    await reconciled(shop, environment, lambda: shop.payment_of(page)["status"] == "failed")


async def test_attempt_that_never_reached_stripe_is_given_up(shop: Shop, environment: Environment) -> None:
    user, resume_id = shop.user(), shop.resume()
    await shop.control("fault", path="/v1/checkout/sessions", times=5, status=429)
    assert (await shop.checkout(user, payment_type="single", resume_id=resume_id)).status_code == 503
    shop.row("update checkouts set expires_at = now() where resume_id = %s returning id", resume_id)
    query = "select status from payments where resume_id = %s"
    await reconciled(shop, environment, lambda: shop.row(query, resume_id)["status"] == "failed")


@pytest.fixture
def unknown_to_stripe(shop: Shop) -> Iterator[None]:
    """More subscriptions that are overdue, and cannot be looked at, than are looked through at once."""
    made = (
        "insert into subscriptions (id, owner_id, customer_id, item_id, price_id, subscription_type, stripe_status,"
        " current_period_end, created_at, updated_at)"
        " select 'sub_0_' || number, (select min(id) from owners), 'cus_0', 'si_0', 'price_0', 'monthly', 'active',"
        " now() - interval '1 year', now(), now() - interval '1 year' from generate_series(1, 105) as number"
        " returning id"
    )
    shop.row(made)
    yield
    shop.row("delete from subscriptions where id like 'sub_0_%%' returning id")


@pytest.mark.usefixtures("unknown_to_stripe")
async def test_finished_events_are_forgotten_in_the_end(shop: Shop, environment: Environment) -> None:
    """Once Stripe cannot send them again. What somebody is to look at stays."""
    kept = {"evt_new": ("done", 59), "evt_dead": ("dead", 61)}
    with psycopg.connect(shop.database_url, autocommit=True) as connection:
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

        await reconciled(shop, environment, lambda: left() == set(kept))
        connection.execute("delete from stripe_events where id = any(%s)", (list(kept),))


async def test_period_that_is_over_is_looked_at(shop: Shop, environment: Environment) -> None:
    user_id = shop.number()
    user = shop.keys.user("payments", user_id)
    subscription = await shop.subscribe(user)
    await eventually(lambda: shop.standing(user_id=user_id) is not None)
    await eventually(shop.has_heard_all)
    await shop.control("delivery", drop=["*"])
    await shop.control("cancel", subscription=subscription.id)
    never_told(shop, subscription.id)
    shop.row(OVERDUE, subscription.id)

    def is_told() -> bool:
        told = shop.standing(user_id=user_id)
        return told is not None and told.status == "canceled"

    await reconciled(shop, environment, is_told)


@pytest.fixture
async def behind_a_broken_one(shop: Shop) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """An overdue subscription, and its owner's headers, that is looked at after one whose owner cannot be read."""
    users = [shop.user(), shop.user()]
    bought = {(await shop.subscribe(user)).id: user for user in users}
    for user in users:
        await eventually(partial(shop.status, user))
    await eventually(shop.has_heard_all)
    broken, other = sorted(bought)
    owner_id = shop.row(OVERDUE, broken)["owner_id"]
    tell = "update owners set told = %s where id = %s returning id"
    shop.row(tell, '{"status": 7}', owner_id)
    yield other, bought[other]
    shop.row(tell, None, owner_id)


async def test_one_that_fails_stands_in_the_way_of_no_other(
    shop: Shop, environment: Environment, behind_a_broken_one: tuple[str, dict[str, str]]
) -> None:
    """Health says that there was one."""
    subscription_id, user = behind_a_broken_one
    await shop.control("delivery", drop=["*"])
    await shop.control("cancel", subscription=subscription_id)
    never_told(shop, subscription_id)
    shop.row(OVERDUE, subscription_id)

    async def is_canceled() -> bool:
        return await shop.status(user) == "canceled"

    async with serving(app, environment(DATABASE_URL=shop.database_url, RESUMES_URL=shop.resumes_url)) as another:
        await eventually(is_canceled)

        async def is_said() -> bool:
            return "reconciliation failed: ValidationError" in (await another.get("/healthz")).text

        await eventually(is_said)
