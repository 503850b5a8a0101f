"""What comes and goes with owners, down to what is kept: claims, erased accounts, what payments tells of them."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from cv_common.events import SubscriptionChanged
from cv_resumes.actions.context import Context
from cv_resumes.actions.owners import claim_session
from cv_resumes.actions.payments import on_subscription_changed

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
