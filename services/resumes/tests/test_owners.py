"""What comes and goes with owners, down to what is kept: claims, erased accounts, what payments tells of them."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from cv_common.errors import UserNotFound
from cv_common.events import SessionClaimed, SubscriptionChanged, UserDeleted
from cv_common.identity import Caller
from cv_resumes.actions.context import Context
from cv_resumes.actions.owners import claim_session, on_session_claimed, on_user_deleted
from cv_resumes.actions.payments import on_subscription_changed
from cv_resumes.actions.resumes import create_resume, list_resumes

RESUME = {"template": 1, "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}
USER = Caller("gateway", user_id=7)
NOW = datetime.now(UTC)
MONTH, YEAR = NOW + timedelta(days=31), NOW + timedelta(days=366)


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
async def test_claim_takes_no_entitlement_away(
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
async def test_after_a_claim_payments_still_has_the_last_word(context: Context, database_url: str, known: bool) -> None:
    if known:
        await subscribed(context, 10, MONTH, user=7)
    await subscribed(context, 2000, YEAR, session="s")
    await claim_session(context, "s", 7)
    assert entitlements(database_url) == {"user:7": YEAR}
    await subscribed(context, 11, None, user=7)
    assert entitlements(database_url) == {"user:7": None}


async def test_erased_account_writes_nothing_any_more(context: Context) -> None:
    await create_resume(context, USER, RESUME)
    await on_user_deleted(context, UserDeleted(user_id=7, revision=1))
    with pytest.raises(UserNotFound):
        await create_resume(context, USER, RESUME)
    assert (await list_resumes(context, USER, None))[1] == 0
    await create_resume(context, Caller("gateway", user_id=8), RESUME)


async def test_account_erased_while_it_writes_leaves_nothing(context: Context) -> None:
    written = [create_resume(context, USER, RESUME) for _ in range(12)]
    erased = on_user_deleted(context, UserDeleted(user_id=7, revision=1))
    await asyncio.gather(*written[:6], erased, *written[6:], return_exceptions=True)
    assert (await list_resumes(context, USER, None))[1] == 0


async def test_claim_told_after_the_account_was_erased_erases_too(context: Context, database_url: str) -> None:
    row, session_id = await create_resume(context, Caller("gateway"), RESUME)
    assert session_id is not None
    await subscribed(context, 1, MONTH, session=session_id)
    await on_user_deleted(context, UserDeleted(user_id=7, revision=1))
    await on_session_claimed(context, SessionClaimed(session_id=session_id, user_id=7, revision=1))
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select 1 from resumes").fetchall() == []
        told = connection.execute("select name, (payload->>'resume_id')::int from outbox").fetchall()
    assert told == [("resumes.resume_deleted.v1", row["id"])]
    assert entitlements(database_url) == {}
