"""Claims, merges, erased accounts and payment events, down to the stored rows."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from cv_common.kernel.errors import UserNotFound
from cv_common.kernel.identity import Caller
from cv_common.messaging.events import (
    ResumePaymentChanged,
    SessionClaimed,
    SessionMerged,
    SubscriptionChanged,
    UserDeleted,
)
from cv_resumes.actions.abandoned import delete_abandoned
from cv_resumes.actions.context import Context
from cv_resumes.actions.owners import (
    claim_session,
    merge_session,
    on_session_claimed,
    on_session_merged,
    on_user_deleted,
)
from cv_resumes.actions.payments import on_resume_payment_changed, on_subscription_changed
from cv_resumes.actions.resumes import CreatedResume, create_resume, delete_resume
from cv_resumes.domain.idempotency import IdempotencyKey
from cv_resumes.domain.owners import Owner
from cv_resumes.repository import resumes
from cv_testing.serving import eventually

from services.resumes.tests.conftest import new_resume

RESUME = new_resume()
USER = Caller("gateway", user_id=7)
WAITING = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
NOW = datetime.now(UTC)
MONTH, YEAR = NOW + timedelta(days=31), NOW + timedelta(days=366)


async def number_of_resumes(context: Context) -> int:
    """How many resumes the user has."""
    async with context.database.connection() as tx:
        return await resumes.count(tx, Owner(user_id=7))


async def subscribed(
    context: Context, revision: int, until: datetime | None, *, user: int | None = None, session: str | None = None
) -> None:
    """Payments tells of a subscription."""
    told = SubscriptionChanged(
        revision=revision,
        user_id=user,
        session_id=session,
        status="active" if until else "canceled",
        subscription_type="monthly",
        subscription_end_date=until,
        entitled_until=until,
    )
    await on_subscription_changed(context, told)


def entitlements(database_url: str) -> dict[str, datetime | None]:
    with psycopg.connect(database_url) as connection:
        return dict(connection.execute("select owner, entitled_until from subscriptions").fetchall())


@pytest.mark.parametrize(
    ("users", "sessions", "kept"),
    [(YEAR, MONTH, YEAR), (MONTH, YEAR, YEAR), (None, MONTH, MONTH), (YEAR, None, YEAR)],
)
@pytest.mark.parametrize("sessions_revision", [1, 2000])
async def test_claim_never_shortens_an_entitlement(
    context: Context,
    database_url: str,
    users: datetime | None,
    sessions: datetime | None,
    kept: datetime,
    sessions_revision: int,
) -> None:
    await subscribed(context, 1000, users, user=7)
    await subscribed(context, sessions_revision, sessions, session="s")
    await claim_session(context, "s", 7)
    assert entitlements(database_url) == {"user:7": kept}


@pytest.mark.parametrize("known", [True, False])
async def test_payment_event_after_a_claim_replaces_the_entitlement(
    context: Context, database_url: str, known: bool
) -> None:
    if known:
        await subscribed(context, 10, MONTH, user=7)
    await subscribed(context, 2000, YEAR, session="s")
    await claim_session(context, "s", 7)
    assert entitlements(database_url) == {"user:7": YEAR}
    await subscribed(context, 11, None, user=7)
    assert entitlements(database_url) == {"user:7": None}


async def test_erased_account_creates_nothing(context: Context) -> None:
    await create_resume(context, USER, RESUME)
    await on_user_deleted(context, UserDeleted(user_id=7, revision=1))
    with pytest.raises(UserNotFound):
        await create_resume(context, USER, RESUME)
    assert await number_of_resumes(context) == 0
    await create_resume(context, Caller("gateway", user_id=8), RESUME)


async def test_account_erased_during_its_requests_leaves_nothing(context: Context) -> None:
    written = [create_resume(context, USER, RESUME) for _ in range(12)]
    erased = on_user_deleted(context, UserDeleted(user_id=7, revision=1))
    await asyncio.gather(*written[:6], erased, *written[6:], return_exceptions=True)
    assert await number_of_resumes(context) == 0


async def test_claim_event_after_the_erasure_erases_the_resumes(context: Context, database_url: str) -> None:
    created = await create_resume(context, Caller("gateway"), RESUME)
    session_id = created.started_session
    assert session_id is not None
    await subscribed(context, 1, MONTH, session=session_id)
    await on_user_deleted(context, UserDeleted(user_id=7, revision=1))
    await on_session_claimed(context, SessionClaimed(session_id=session_id, user_id=7, revision=1))
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select 1 from resumes").fetchall() == []
        told = connection.execute("select name, (payload->>'resume_id')::int from outbox").fetchall()
    assert told == [("resumes.resume_deleted.v1", created.resume.id)]
    assert entitlements(database_url) == {}


async def test_claim_locks_no_row_while_it_waits_for_the_account(context: Context, database_url: str) -> None:
    """Whoever has the user writes the user's rows next: payments' event of the very same claim, say."""
    await subscribed(context, 1, MONTH, user=7)
    await subscribed(context, 1, YEAR, session="s")
    with psycopg.connect(database_url) as other:
        other.execute("select pg_advisory_xact_lock(hashtextextended('user:7', 0))")
        claim = asyncio.create_task(claim_session(context, "s", 7))
        with psycopg.connect(database_url, autocommit=True) as watching:
            await eventually(lambda: watching.execute(WAITING).fetchall())
        other.execute("set local lock_timeout = '1s'")
        other.execute("update subscriptions set revision = revision where owner = 'user:7'")
    await claim
    assert entitlements(database_url) == {"user:7": YEAR}


def payments(database_url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute("select resume_id, paid from resume_payments").fetchall()


def bought(resume_id: int, revision: int = 1) -> ResumePaymentChanged:
    return ResumePaymentChanged(resume_id=resume_id, paid=True, revision=revision)


async def deleted(context: Context, resume_id: int) -> None:
    await delete_resume(context, USER, resume_id)


async def abandoned(context: Context, resume_id: int) -> None:
    async with context.database.connection() as tx:
        await tx.connection.execute("update resumes set owner = 'session:a', last_accessed = '2000-01-01'")
        await tx.connection.execute("update resume_payments set paid = false")
    await delete_abandoned(context)


async def account_erased(context: Context, resume_id: int) -> None:
    await on_user_deleted(context, UserDeleted(user_id=7, revision=1))


@pytest.mark.parametrize("end", [deleted, abandoned, account_erased])
async def test_payment_is_deleted_with_its_resume_and_not_restored_by_late_events(
    context: Context, database_url: str, end: Callable[[Context, int], Awaitable[None]]
) -> None:
    resume = (await create_resume(context, USER, RESUME)).resume
    await on_resume_payment_changed(context, bought(resume.id))
    assert payments(database_url) == [(resume.id, True)]
    await end(context, resume.id)
    assert payments(database_url) == []
    await on_resume_payment_changed(context, bought(resume.id, 2))
    assert payments(database_url) == []


async def test_payment_event_during_the_deletion_of_its_resume_is_dropped(context: Context, database_url: str) -> None:
    resume = (await create_resume(context, USER, RESUME)).resume
    with psycopg.connect(database_url) as deleting, psycopg.connect(database_url, autocommit=True) as watching:
        deleting.execute("delete from resumes where id = %s", (resume.id,))
        told = asyncio.create_task(on_resume_payment_changed(context, bought(resume.id)))
        await eventually(lambda: watching.execute(WAITING).fetchall())
        deleting.commit()
        await told
    assert payments(database_url) == []


async def test_subscription_event_after_its_owners_end_is_dropped(context: Context, database_url: str) -> None:
    await claim_session(context, "s", 7)
    await on_user_deleted(context, UserDeleted(user_id=8, revision=1))
    await subscribed(context, 1, MONTH, session="s")
    await subscribed(context, 1, MONTH, user=8)
    assert entitlements(database_url) == {}


def owners_of_resumes(database_url: str) -> dict[int, str]:
    with psycopg.connect(database_url) as connection:
        return dict(connection.execute("select id, owner from resumes").fetchall())


async def two_sessions(context: Context) -> tuple[tuple[int, str], tuple[int, str]]:
    """A resume and its session, twice."""
    one, other = [await create_resume(context, Caller("gateway"), RESUME) for _ in "ab"]
    assert one.started_session is not None
    assert other.started_session is not None
    return (one.resume.id, one.started_session), (other.resume.id, other.started_session)


async def test_merge_transfers_resumes_and_entitlement_and_ends_the_session(
    context: Context, database_url: str
) -> None:
    (one, first), (other, second) = await two_sessions(context)
    await subscribed(context, 5, YEAR, session=second)
    for _ in range(2):
        await merge_session(context, second, first)
    await on_session_merged(context, SessionMerged(session_id=second, into_session_id=first, revision=1))
    assert owners_of_resumes(database_url) == {one: f"session:{first}", other: f"session:{first}"}
    assert entitlements(database_url) == {f"session:{first}": YEAR}
    with psycopg.connect(database_url) as connection:
        ended = connection.execute("select user_id from ended_sessions where session_id = %s", (second,)).fetchall()
    assert ended == [(0,)], "no account has the id 0"
    later = await create_resume(context, Caller("gateway", session_id=second), RESUME)
    assert later.started_session not in (None, first, second)
    await claim_session(context, second, 7)
    assert owners_of_resumes(database_url)[other] == f"session:{first}", "the first end stands"
    await claim_session(context, first, 7)
    assert [owners_of_resumes(database_url)[each] for each in (one, other)] == ["user:7", "user:7"]


async def test_merge_into_a_claimed_session_changes_nothing(context: Context, database_url: str) -> None:
    (_, first), (other, second) = await two_sessions(context)
    await claim_session(context, first, 7)
    await merge_session(context, second, first)
    assert owners_of_resumes(database_url)[other] == f"session:{second}"
    await on_session_claimed(context, SessionClaimed(session_id=second, user_id=7, revision=1))
    assert owners_of_resumes(database_url)[other] == "user:7"


async def test_merged_session_keeps_its_idempotency_keys(context: Context) -> None:
    key = IdempotencyKey(str(uuid4()), "a")
    created = await create_resume(context, Caller("gateway"), RESUME, key)
    assert created.started_session is not None
    await merge_session(context, created.started_session, "remaining")
    for session_id in ("remaining", None):
        again = await create_resume(context, Caller("gateway", session_id=session_id), RESUME, key)
        assert again.resume.id == created.resume.id
        assert (session_id or again.started_session) == "remaining"


async def test_idempotency_key_counts_with_and_without_the_session_that_it_started(context: Context) -> None:
    key = IdempotencyKey(str(uuid4()), "a")
    created = await create_resume(context, Caller("gateway"), RESUME, key)
    for _ in range(2):
        again = await create_resume(context, Caller("gateway", session_id="fresh"), RESUME, key)
        assert (again.resume.id, again.started_session) == (created.resume.id, created.started_session)
    other = IdempotencyKey(str(uuid4()), "a")
    created = await create_resume(context, Caller("gateway", session_id="fresh"), RESUME, other)
    again = await create_resume(context, Caller("gateway"), RESUME, other)
    assert again == CreatedResume(created.resume, "fresh"), "the first request may arrive after the repeated one"
